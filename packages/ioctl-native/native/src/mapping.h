// One mmap of a file, shared by every ArrayBuffer and register accessor made of it, in whatever thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

class Mapping {
 public:
  Mapping(uint8_t* address, size_t length, bool writable) : address_(address), length_(length), writable_(writable) {}
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* address() const { return address_; }
  size_t length() const { return length_; }
  bool writable() const { return writable_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  // Lets go of the file's pages at once. The range itself stays, as harmless zero memory, until the last
  // view or accessor is gone: a stale one in another thread must read zeroes and not end the process.
  int Close();

 private:
  uint8_t* const address_;
  const size_t length_;
  const bool writable_;
  std::atomic<bool> closed_{false};
};

// The mapping with this number, or nullptr after its close.
std::shared_ptr<Mapping> FindMapping(uint32_t handle);
