// The pages of a mapping once more, laid over a part of memory that somebody else owns: a WebAssembly memory's. Compiled
// code reaches them there without a call. The owner's thread takes them out before the owner's memory goes; what lies in
// their place from then on is zero memory, as the engine made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "fault-guard.h"

class LaidPages {
 public:
  LaidPages(uint8_t* address, size_t length, size_t page)
      : address_(address), length_(length), guard_(Guard(address, length, page)) {}
  ~LaidPages() { Unguard(guard_); }
  LaidPages(const LaidPages&) = delete;
  LaidPages& operator=(const LaidPages&) = delete;

  bool gone() const { return guard_->gone.load(std::memory_order_relaxed); }
  // Lays zeroes in their place. 0 or an errno. Guarded until then: any thread may be reading pages that went away.
  int TakeOut();

 private:
  uint8_t* const address_;
  const size_t length_;
  GuardedRange* const guard_;
};

// What to lay, and over what.
struct LayRequest {
  int fd;
  int64_t offset;
  size_t length;  // whole pages
  size_t page;    // the size of one
  uint8_t* address;
};

// Private zero memory in place of whatever lies there; whole pages. 0 or an errno.
int LayZeroes(uint8_t* address, size_t length);

// To be read and written. nullptr, and errno says why: EINVAL for a place that does not begin at a page.
std::unique_ptr<LaidPages> LayPages(const LayRequest& request);
