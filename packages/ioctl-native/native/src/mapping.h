// One mmap of a file, shared by every ArrayBuffer and register accessor made of it, in whatever thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

class Mapping {
 public:
  Mapping(uint8_t* address, size_t length, size_t pages, bool writable, std::string name)
      : address_(address), length_(length), pages_(pages), writable_(writable), name_(std::move(name)) {}
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* address() const { return address_; }
  size_t length() const { return length_; }
  bool writable() const { return writable_; }
  const std::string& name() const { return name_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  // Lets go of the file's pages at once. The range itself stays, as harmless zero memory, until the last
  // view or accessor is gone: a stale one in another thread must read zeroes and not end the process.
  int Close();

 private:
  uint8_t* const address_;
  const size_t length_;
  const size_t pages_;  // the length in whole pages of the file's own page size
  const bool writable_;
  const std::string name_;  // for error messages
  std::atomic<bool> closed_{false};
};

// The mapping with this number, or nullptr after its close.
std::shared_ptr<Mapping> FindMapping(uint32_t handle);
