#include "numbers.h"

#include <atomic>

namespace {

std::atomic<Id> next_id{1};

}  // namespace

Id NextId() { return next_id.fetch_add(1, std::memory_order_relaxed); }
