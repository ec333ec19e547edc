#include "mapping.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#ifndef MADV_POPULATE_WRITE  // Linux 5.14
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace {

size_t RoundUp(size_t length, size_t page) { return (length + page - 1) / page * page; }

// VFIO's device files and other anonymous inodes: some kernels call them regular files, of size 0.
bool IsAnonymousInode(const struct statfs& filesystem) {
  constexpr long kVfioMagic = 0x5646494f;
  return filesystem.f_type == ANON_INODE_FS_MAGIC || filesystem.f_type == kVfioMagic;
}

// The kernel rounds a mapping up to whole pages, hugepages on hugetlbfs; so must whatever replaces or unmaps it.
// Memory beyond the end of a file can be mapped, but touching it is a SIGBUS. 0 or an errno.
int FindPages(const MapRequest& request, Pages* pages) {
  struct stat file;
  struct statfs filesystem;
  // The C library's own fstat is a symbol of glibc 2.33.
  if (syscall(SYS_fstat, request.fd, &file) < 0 || fstatfs(request.fd, &filesystem) < 0) return errno;
  pages->page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (filesystem.f_type == HUGETLBFS_MAGIC) pages->page = static_cast<size_t>(filesystem.f_bsize);
  pages->length = RoundUp(request.length, pages->page);
  pages->is_memory = S_ISREG(file.st_mode) && (file.st_size > 0 || !IsAnonymousInode(filesystem));
  size_t end = static_cast<size_t>(request.offset) + request.length;
  return pages->is_memory && end > RoundUp(static_cast<size_t>(file.st_size), pages->page) ? ENXIO : 0;
}

// A write that changes nothing, also if another thread or process writes there now.
void TouchForWriting(uint8_t* at) {
  uint8_t value = __atomic_load_n(at, __ATOMIC_RELAXED);
  __atomic_compare_exchange_n(at, &value, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void TouchForReading(const volatile uint8_t* at) { static_cast<void>(*at); }

}  // namespace

MappingRef MapFile(const MapRequest& request) {
  Pages pages{};
  int error = FindPages(request, &pages);
  if (error != 0) return errno = error, nullptr;
  int flags = MAP_SHARED | (request.address == 0 ? 0 : MAP_FIXED_NOREPLACE);
  int access = PROT_READ | (request.writable ? PROT_WRITE : 0);
  auto* wanted = reinterpret_cast<void*>(request.address);
  void* address = mmap(wanted, pages.length, access, flags, request.fd, request.offset);
  if (address == MAP_FAILED) return nullptr;
  // Before Linux 4.17 the address was only a hint.
  if (wanted == nullptr || address == wanted)
    return std::make_shared<Mapping>(static_cast<uint8_t*>(address), pages, request);
  munmap(address, pages.length);
  return errno = EEXIST, nullptr;
}

Mapping::~Mapping() {
  Unguard(guard_);
  munmap(address_, pages_.length);
}

int Mapping::Lay(int fd, int64_t offset, uint8_t* place, napi_env owner) {
  std::lock_guard<std::mutex> lock(laid_mutex_);
  if (closed()) return EBADF;
  if (laid_) return EEXIST;
  laid_ = LayPages({fd, offset, pages_.length, pages_.page, place});
  if (!laid_) return errno;
  laid_owner_ = owner;
  has_laid_ = true;
  return 0;
}

void Mapping::TakeOut(napi_env owner) {
  if (has_laid_ && owner == laid_owner_) TakeOut();
}

int Mapping::TakeOut() {
  std::lock_guard<std::mutex> lock(laid_mutex_);
  if (!laid_) return 0;
  int error = laid_->TakeOut();
  if (laid_->gone()) guard_->gone = true;
  has_laid_ = false;
  laid_ = nullptr;
  return error;
}

bool Mapping::laid_gone() const {
  std::lock_guard<std::mutex> lock(laid_mutex_);
  return laid_ && laid_->gone();
}

int Mapping::Close() {
  if (closed_.exchange(true)) return 0;
  int laid_error = TakeOut();
  int error = LayZeroes(address_, pages_.length);
  return error != 0 ? error : laid_error;
}

// A hugepage that can't be had (cgroup limit, no reservation) would be a SIGBUS at first touch. Populating now makes it
// an error. madvise and not MAP_POPULATE, because mmap hides a failed population. EINVAL: the kernel does not know it
// yet (before 5.14), or the pages are a device's, which are there.
int Mapping::Populate() {
  if (madvise(address_, pages_.length, writable_ ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0) return 0;
  if (errno == EINVAL) return pages_.is_memory ? Touch() : 0;
  return errno == EFAULT ? ENOMEM : errno;
}

// Under the fault guard: a page that can't be had is noted, and ends nobody.
int Mapping::Touch() {
  for (size_t at = 0; at < pages_.length && !gone(); at += pages_.page) {
    writable_ ? TouchForWriting(address_ + at) : TouchForReading(address_ + at);
  }
  return gone() ? ENOMEM : 0;
}
