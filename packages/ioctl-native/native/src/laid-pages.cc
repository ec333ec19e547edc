#include "laid-pages.h"

#include <sys/mman.h>

#include <cerrno>

int LayZeroes(uint8_t* address, size_t length) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return mmap(address, length, PROT_READ | PROT_WRITE, kFlags, -1, 0) == MAP_FAILED ? errno : 0;
}

std::unique_ptr<LaidPages> LayPages(const LayRequest& request) {
  if (reinterpret_cast<uintptr_t>(request.address) % request.page != 0) return errno = EINVAL, nullptr;
  auto pages = std::make_unique<LaidPages>(request.address, request.length, request.page);
  int access = PROT_READ | PROT_WRITE;
  if (mmap(request.address, request.length, access, MAP_SHARED | MAP_FIXED, request.fd, request.offset) != MAP_FAILED)
    return pages;
  // Where the file itself refuses, the kernel has taken away what was there: the next mmap of anybody could land in it.
  int error = errno;
  pages->TakeOut();
  return errno = error, nullptr;
}

// As V8 has its own memory: private, nothing reserved for it, nothing of it for a fork. The kernel joins the two again.
int LaidPages::TakeOut() {
  int error = LayZeroes(address_, length_);
  madvise(address_, length_, MADV_DONTFORK);
  return error;
}
