#include "fault-guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace {

static_assert(std::atomic<uintptr_t>::is_always_lock_free, "the handler takes no lock");

constexpr size_t kChunk = 128;
// A process has some 65,000 areas of memory, and each replaced stretch is one: so a stretch of a large mapping is not
// one page, up to a limit, for each takes memory.
constexpr size_t kStretches = 1024;
constexpr size_t kLongestStretch = size_t{2} << 20;

struct Chunk {
  GuardedRange ranges[kChunk];
  Chunk* next = nullptr;
};

std::atomic<Chunk*> chunks{nullptr};
std::mutex& mutex = *new std::mutex;  // of all that is not for the handler
GuardedRange* free_ranges = nullptr;
bool is_set = false;
struct sigaction former;

void AddChunk() {
  auto* chunk = new Chunk;
  chunk->next = chunks.load();
  for (auto& range : chunk->ranges) {
    range.next_free = free_ranges;
    free_ranges = &range;
  }
  chunks.store(chunk, std::memory_order_release);
}

void Change(GuardedRange* range, uintptr_t start, size_t length, size_t page) {
  uint32_t version = range->version.load();
  range->version.store(version + 1);
  range->start.store(start);
  range->length.store(length);
  range->page.store(page);
  range->version.store(version + 2);
}

// A stretch of memory to be replaced, and the range it is in.
struct Stretch {
  GuardedRange* range = nullptr;
  uintptr_t start = 0;
  size_t length = 0;
};

// Only in a range that changes right now does this see anything else than what is so, and then it says nothing: nobody
// may access that range.
Stretch StretchAt(uintptr_t address, GuardedRange& range) {
  uint32_t version = range.version.load();
  uintptr_t start = range.start.load();
  size_t length = range.length.load();
  size_t page = range.page.load();
  if (version % 2 != 0 || range.version.load() != version) return {};
  if (address < start || address - start >= length) return {};
  size_t offset = (address - start) / page * page;
  size_t wanted = std::min(length / kStretches, kLongestStretch) / page * page;
  return {&range, start + offset, std::min(std::max(wanted, page), length - offset)};
}

Stretch Find(uintptr_t address) {
  for (Chunk* chunk = chunks.load(std::memory_order_acquire); chunk != nullptr; chunk = chunk->next) {
    for (auto& range : chunk->ranges) {
      Stretch found = StretchAt(address, range);
      if (found.range != nullptr) return found;
    }
  }
  return {};
}

// The ones are made elsewhere and moved there at once: no thread sees anything between the old memory and them.
bool LayOnes(uintptr_t start, size_t length) {
  void* ones = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ones == MAP_FAILED) return false;
  memset(ones, 0xff, length);
  auto* to = reinterpret_cast<void*>(start);
  if (mremap(ones, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED) return true;
  munmap(ones, length);
  return false;
}

// An access to memory that is not there, as against a page with broken memory cells, whose data are lost, an address
// that is not aligned, and a signal that somebody sent.
bool IsMissingMemory(const siginfo_t& info) { return info.si_code == BUS_ADRERR || info.si_code == BUS_OBJERR; }

bool Mend(const siginfo_t& info) {
  if (!IsMissingMemory(info)) return false;
  Stretch stretch = Find(reinterpret_cast<uintptr_t>(info.si_addr));
  if (stretch.range == nullptr) return false;
  // Whoever reads ones and then asks, is told.
  stretch.range->gone.store(true);
  return LayOnes(stretch.start, stretch.length);
}

void SetDefault(int signal) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
}

// What the signal does without a handler. A fault is met again when the handler returns; a sent signal comes once.
void ActAsDefault(int signal, const siginfo_t& info) {
  bool is_fault = info.si_code > 0 && info.si_code != BUS_MCEERR_AO;
  if (!is_fault && former.sa_handler == SIG_IGN) return;
  SetDefault(signal);
  if (!is_fault) raise(signal);
}

void PassOn(int signal, siginfo_t* info, void* context) {
  if (former.sa_handler == SIG_DFL || former.sa_handler == SIG_IGN) return ActAsDefault(signal, *info);
  struct sigaction action = former;
  // Only that one's wish to be called once ends here: what is ours is still guarded.
  if ((action.sa_flags & SA_RESETHAND) != 0) former = {};
  if ((action.sa_flags & SA_SIGINFO) != 0) return action.sa_sigaction(signal, info, context);
  action.sa_handler(signal);
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  int error = errno;
  if (!Mend(*info)) PassOn(signal, info, context);
  errno = error;
}

// Another copy of this addon, or whoever else had the signal, gets what is not ours, as it would have got it.
void SetHandler() {
  sigaction(SIGBUS, nullptr, &former);
  struct sigaction action = former;
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | (former.sa_flags & SA_NODEFER);
  // Once more: another copy may have set its own in between.
  is_set = sigaction(SIGBUS, &action, &former) == 0;
}

}  // namespace

GuardedRange* Guard(const void* start, size_t length, size_t page) {
  std::lock_guard<std::mutex> lock(mutex);
  if (!is_set) SetHandler();
  if (free_ranges == nullptr) AddChunk();
  GuardedRange* range = free_ranges;
  free_ranges = range->next_free;
  range->gone.store(false);
  Change(range, reinterpret_cast<uintptr_t>(start), length, page);
  return range;
}

void Unguard(GuardedRange* range) {
  std::lock_guard<std::mutex> lock(mutex);
  Change(range, 0, 0, 0);
  range->next_free = free_ranges;
  free_ranges = range;
}
