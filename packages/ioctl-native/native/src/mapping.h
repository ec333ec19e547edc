// One mmap of a file, shared by every ArrayBuffer and register accessor made of it, in whatever thread.
#pragma once

#include <node_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "fault-guard.h"
#include "laid-pages.h"

// What to map, and where.
struct MapRequest {
  int fd;
  int64_t offset;
  size_t length;
  bool writable;
  uintptr_t address;  // exactly there; 0: anywhere
  std::string name;   // for error messages
};

// A length in whole pages of a file.
struct Pages {
  size_t length;
  size_t page;     // the size of one
  bool is_memory;  // of a file that has an end, as against a device's
};

class Mapping {
 public:
  Mapping(uint8_t* address, const Pages& pages, const MapRequest& request)
      : address_(address),
        length_(request.length),
        pages_(pages),
        writable_(request.writable),
        name_(request.name),
        guard_(Guard(address, pages.length, pages.page)) {}
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* address() const { return address_; }
  size_t length() const { return length_; }
  const Pages& pages() const { return pages_; }
  bool writable() const { return writable_; }
  bool is_memory() const { return pages_.is_memory; }
  const std::string& name() const { return name_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  // The device, or pages of the file, went away, and ones lie there instead.
  bool gone() const {
    return guard_->gone.load(std::memory_order_relaxed) || (has_laid_.load(std::memory_order_relaxed) && laid_gone());
  }

  // Lays the pages over `place` of a WebAssembly memory that is `owner`'s, too. 0 or an errno; EEXIST: they lie in one.
  int Lay(int fd, int64_t offset, uint8_t* place, napi_env owner);
  // Takes them out of it, if it is that environment's.
  void TakeOut(napi_env owner);

  // Takes all pages now, which may last. 0 or an errno.
  int Populate();

  // Lets go of the file's pages at once. The range itself stays, as harmless zero memory, until the last
  // view or accessor is gone: a stale one in another thread must read zeroes and not end the process. 0 or an errno.
  int Close();

 private:
  int Touch();
  bool laid_gone() const;
  int TakeOut();

  uint8_t* const address_;
  const size_t length_;
  const Pages pages_;
  const bool writable_;
  const std::string name_;
  GuardedRange* const guard_;
  std::atomic<bool> closed_{false};

  mutable std::mutex laid_mutex_;
  std::unique_ptr<LaidPages> laid_;
  napi_env laid_owner_ = nullptr;
  std::atomic<bool> has_laid_{false};
};

using MappingRef = std::shared_ptr<Mapping>;

// A new mapping; nullptr, and errno says why.
MappingRef MapFile(const MapRequest& request);
