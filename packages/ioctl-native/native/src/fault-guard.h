// Memory that goes away under a mapping makes the next access a SIGBUS, which ends the process: a device that no
// longer answers, a file that somebody shrank. The guard lays memory of all ones there instead, as a bus answers for a
// device that is gone, and notes it. It costs an access nothing, whoever makes it: native code, a typed array, or code
// that V8 compiled.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

// One guarded range of addresses. Never freed, but used again: the signal's handler may look at any of them.
struct GuardedRange {
  std::atomic<uint32_t> version{0};  // odd while the three below change
  std::atomic<uintptr_t> start{0};
  std::atomic<size_t> length{0};  // 0: not in use
  std::atomic<size_t> page{0};    // the size of its pages, of which only whole ones can be replaced
  std::atomic<bool> gone{false};  // memory of it went away
  GuardedRange* next_free = nullptr;
};

// Guards a range from now on; whole pages only. Sets the signal's handler, for good, and anew if somebody replaced it.
GuardedRange* Guard(const void* start, size_t length, size_t page);

// Ends it. Before the addresses are given back: later they are somebody else's.
void Unguard(GuardedRange* range);

// Sets the handler anew if there was a guarded range, and somebody replaced it.
void KeepGuarding();
