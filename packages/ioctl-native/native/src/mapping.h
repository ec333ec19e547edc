// One mmap of a file, shared by every ArrayBuffer and register accessor made of it, in whatever thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "fault-guard.h"

class Mapping {
 public:
  // `pages` is the length in whole pages of the file's own size, `page`.
  Mapping(uint8_t* address, size_t length, size_t pages, size_t page, bool writable, std::string name)
      : address_(address),
        length_(length),
        pages_(pages),
        writable_(writable),
        name_(std::move(name)),
        guard_(Guard(address, pages, page)) {}
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* address() const { return address_; }
  size_t length() const { return length_; }
  bool writable() const { return writable_; }
  const std::string& name() const { return name_; }
  // The device or the file's pages went away, and ones were laid there.
  bool gone() const { return guard_->gone.load(std::memory_order_relaxed); }
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  // Lets go of the file's pages at once. The range itself stays, as harmless zero memory, until the last
  // view or accessor is gone: a stale one in another thread must read zeroes and not end the process.
  int Close();

 private:
  uint8_t* const address_;
  const size_t length_;
  const size_t pages_;
  const bool writable_;
  const std::string name_;  // for error messages
  GuardedRange* const guard_;
  std::atomic<bool> closed_{false};
};

// The mapping with this number, or nullptr after its close.
std::shared_ptr<Mapping> FindMapping(uint32_t handle);
