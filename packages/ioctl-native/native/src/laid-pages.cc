#include "laid-pages.h"

#include <sys/mman.h>

#include <cerrno>

std::unique_ptr<LaidPages> LayPages(const LayRequest& request) {
  if (reinterpret_cast<uintptr_t>(request.address) % request.page != 0) return errno = EINVAL, nullptr;
  int access = PROT_READ | (request.writable ? PROT_WRITE : 0);
  void* laid = mmap(request.address, request.length, access, MAP_SHARED | MAP_FIXED, request.fd, request.offset);
  if (laid == MAP_FAILED) return nullptr;
  return std::make_unique<LaidPages>(request.address, request.length, request.page);
}

// As V8 has its own memory: private, nothing reserved for it, nothing of it for a fork. The kernel joins the two again.
LaidPages::~LaidPages() {
  Unguard(guard_);
  mmap(address_, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  madvise(address_, length_, MADV_DONTFORK);
}
