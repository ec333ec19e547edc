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

// Whoever else had the signal. Never freed, since the handler may be looking at it; there are as many as the process
// has handlers, for one who comes again is known.
struct Other {
  struct sigaction action;
  Other* next;
};

Other standard{};
Other* others = &standard;
// Who had it before the guard, and who had it last.
std::atomic<Other*> first{nullptr};
std::atomic<Other*> latest{nullptr};

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
void ActAsDefault(int signal, const siginfo_t& info, bool is_ignored) {
  bool is_fault = info.si_code > 0 && info.si_code != BUS_MCEERR_AO;
  if (!is_fault && is_ignored) return;
  SetDefault(signal);
  if (!is_fault) raise(signal);
}

void PassOnTo(std::atomic<Other*>& place, int signal, siginfo_t* info, void* context) {
  Other* other = place.load();
  const struct sigaction& action = other->action;
  bool is_ignored = action.sa_handler == SIG_IGN;
  if (is_ignored || action.sa_handler == SIG_DFL) return ActAsDefault(signal, *info, is_ignored);
  // Only that one's wish to be called once ends here: what is ours is still guarded.
  if ((action.sa_flags & SA_RESETHAND) != 0) place.compare_exchange_strong(other, &standard);
  if ((action.sa_flags & SA_SIGINFO) != 0) return action.sa_sigaction(signal, info, context);
  action.sa_handler(signal);
}

// That this copy of the addon has passed a signal on. It stands where the kernel's report has room that it does not use;
// before Linux 4.20 the room holds what was there before, hence the check.
struct Mark {
  uintptr_t owner;
  uintptr_t check;
};
constexpr size_t kMarks = 4;
static_assert(sizeof(siginfo_t) == 128);

Mark* MarksIn(siginfo_t* info) { return reinterpret_cast<Mark*>(info + 1) - kMarks; }

// Where this copy's mark is to be; nullptr if it is there, or other copies have taken all places.
Mark* PlaceForMark(siginfo_t* info) {
  for (Mark* mark = MarksIn(info); mark < MarksIn(info) + kMarks; mark++) {
    if (mark->check != ~mark->owner) return mark;
    if (mark->owner == reinterpret_cast<uintptr_t>(&latest)) return nullptr;
  }
  return nullptr;
}

// Whoever took the signal after the guard, and from whom the guard took it back, may pass on to the guard what is not
// his: that goes to the one before the guard, and not round in a circle.
void PassOn(int signal, siginfo_t* info, void* context) {
  Mark* mark = PlaceForMark(info);
  if (mark == nullptr) return PassOnTo(first, signal, info, context);
  auto owner = reinterpret_cast<uintptr_t>(&latest);
  *mark = {owner, ~owner};
  PassOnTo(latest, signal, info, context);
  *mark = {};
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  int error = errno;
  if (!Mend(*info)) PassOn(signal, info, context);
  errno = error;
}

bool IsOurs(const struct sigaction& action) { return action.sa_sigaction == OnBusError; }

Other* Known(const struct sigaction& action) {
  for (Other* other = others; other != nullptr; other = other->next) {
    bool is_it = other->action.sa_sigaction == action.sa_sigaction && other->action.sa_flags == action.sa_flags;
    if (is_it) return other;
  }
  return others = new Other{action, others};
}

void Note(const struct sigaction& action) {
  Other* other = Known(action);
  if (first.load() == nullptr) first.store(other);
  latest.store(other);
}

// Another copy of this addon, or whoever else has the signal, gets what is not ours, as it would have got it. Also if he
// took it after the guard: libuv's handler, of process.on("SIGBUS"), passes nothing on, and a fault would come again for
// ever.
void SetHandler() {
  struct sigaction current {};
  if (sigaction(SIGBUS, nullptr, &current) < 0 || IsOurs(current)) return;
  Note(current);
  struct sigaction action = current;
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | (current.sa_flags & SA_NODEFER);
  // Once more: another copy may have set its own in between.
  if (sigaction(SIGBUS, &action, &current) == 0) Note(current);
}

}  // namespace

GuardedRange* Guard(const void* start, size_t length, size_t page) {
  std::lock_guard<std::mutex> lock(mutex);
  SetHandler();
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

void KeepGuarding() {
  std::lock_guard<std::mutex> lock(mutex);
  if (latest.load() != nullptr) SetHandler();
}
