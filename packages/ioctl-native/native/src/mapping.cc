#include "mapping.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>

#include "common.h"

#ifndef MADV_POPULATE_WRITE  // Linux 5.14
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace {

// Worker threads find the same mapping by its number, so the table belongs to the process. It is never destroyed:
// at exit other threads may still be using the memory.
std::mutex& table_mutex = *new std::mutex;
auto& table = *new std::unordered_map<uint32_t, std::shared_ptr<Mapping>>;
uint32_t next_handle = 1;

uint32_t AddToTable(std::shared_ptr<Mapping> mapping) {
  std::lock_guard<std::mutex> lock(table_mutex);
  uint32_t handle = next_handle++;
  table[handle] = std::move(mapping);
  return handle;
}

std::shared_ptr<Mapping> RemoveFromTable(uint32_t handle) {
  std::lock_guard<std::mutex> lock(table_mutex);
  auto found = table.find(handle);
  if (found == table.end()) return nullptr;
  auto mapping = found->second;
  table.erase(found);
  return mapping;
}

size_t RoundUp(size_t length, size_t page) { return (length + page - 1) / page * page; }

// VFIO's device files and other anonymous inodes: some kernels call them regular files, of size 0.
bool IsAnonymousInode(const struct statfs& filesystem) {
  constexpr long kVfioMagic = 0x5646494f;
  return filesystem.f_type == ANON_INODE_FS_MAGIC || filesystem.f_type == kVfioMagic;
}

struct Range {
  size_t pages;  // the length in whole pages of the file's own page size
  size_t page;   // that size
  int error;
};

// The kernel rounds a mapping up to whole pages, hugepages on hugetlbfs; so must whatever replaces or unmaps it.
// Memory beyond the end of a file can be mapped, but touching it is a SIGBUS.
Range CheckRange(int fd, size_t offset, size_t length) {
  struct stat file;
  struct statfs filesystem;
  // The C library's own fstat is a symbol of glibc 2.33.
  if (syscall(SYS_fstat, fd, &file) < 0 || fstatfs(fd, &filesystem) < 0) return {0, 0, errno};
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (filesystem.f_type == HUGETLBFS_MAGIC) page = static_cast<size_t>(filesystem.f_bsize);
  bool has_end = S_ISREG(file.st_mode) && (file.st_size > 0 || !IsAnonymousInode(filesystem));
  if (has_end && offset + length > RoundUp(static_cast<size_t>(file.st_size), page)) return {0, 0, ENXIO};
  return {RoundUp(length, page), page, 0};
}

// A hugepage that can't be had (cgroup limit, no reservation) would be a SIGBUS at first touch. Populating now
// makes it an error. madvise and not MAP_POPULATE, because mmap hides a failed population. EINVAL: the kernel
// does not know it yet, or the pages are a device's.
int Populate(void* address, size_t length, bool writable) {
  if (madvise(address, length, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0 || errno == EINVAL) return 0;
  return errno == EFAULT ? ENOMEM : errno;
}

uint32_t HandleArg(const Napi::CallbackInfo& info) {
  return static_cast<uint32_t>(WholeArg(info, 0, 1, std::numeric_limits<uint32_t>::max()).value_or(0));
}

}  // namespace

Mapping::~Mapping() {
  Unguard(guard_);
  munmap(address_, pages_);
}

int Mapping::Close() {
  if (closed_.exchange(true)) return 0;
  void* overlay = mmap(address_, pages_, PROT_READ | PROT_WRITE,
                       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return overlay == MAP_FAILED ? -1 : 0;
}

std::shared_ptr<Mapping> FindMapping(uint32_t handle) {
  std::lock_guard<std::mutex> lock(table_mutex);
  auto found = table.find(handle);
  return found == table.end() ? nullptr : found->second;
}

// Takes the memory's pages from one NUMA node only (mbind(2), MPOL_BIND), from now on.
static int BindToNode(void* address, size_t length, int node) {
  constexpr int kBind = 2;
  unsigned long nodes[16] = {};
  constexpr int kBits = sizeof nodes * 8;
  if (node >= kBits) return EINVAL;
  nodes[node / 64] = 1ul << (node % 64);
  return syscall(SYS_mbind, address, length, kBind, nodes, kBits + 1, 0) < 0 ? errno : 0;
}

// map(fd, offset, length, writable, populate, address | undefined, name, node) → handle or -errno. Node -1: any.
static Napi::Value Map(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = FdArg(info, 0);
  auto offset = OffsetArg(info, 1);
  auto length = WholeArg(info, 2, 1, kMaxSafeInteger);
  bool writable = info[3].ToBoolean();
  bool populate = info[4].ToBoolean();
  bool lossless = true;
  uint64_t wanted = info[5].IsBigInt() ? info[5].As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  auto name = StringArg(info, 6);
  auto node = WholeArg(info, 7, -1, 65535);
  if (!offset || !length || !lossless || !name || !node) return Failed(env, EINVAL);

  Range range = CheckRange(fd, static_cast<size_t>(*offset), static_cast<size_t>(*length));
  if (range.error != 0) return Failed(env, range.error);
  int flags = MAP_SHARED | (wanted == 0 ? 0 : MAP_FIXED_NOREPLACE);
  auto* hint = reinterpret_cast<void*>(static_cast<uintptr_t>(wanted));
  void* address = mmap(hint, range.pages, PROT_READ | (writable ? PROT_WRITE : 0), flags, fd, *offset);
  if (address == MAP_FAILED) return Result(env, -1);

  // Before Linux 4.17 the address was only a hint.
  int error = wanted != 0 && address != hint ? EEXIST : 0;
  if (error == 0 && *node >= 0) error = BindToNode(address, range.pages, static_cast<int>(*node));
  if (error == 0 && populate) error = Populate(address, range.pages, writable);
  if (error != 0) {
    munmap(address, range.pages);
    return Failed(env, error);
  }
  auto mapping = std::make_shared<Mapping>(static_cast<uint8_t*>(address), *length, range.pages, range.page, writable, *name);
  return Napi::Number::New(env, AddToTable(std::move(mapping)));
}

static Napi::Value Address(const Napi::CallbackInfo& info) {
  auto mapping = FindMapping(HandleArg(info));
  if (!mapping) return Failed(info.Env(), EBADF);
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(mapping->address())));
}

static Napi::Value Length(const Napi::CallbackInfo& info) {
  auto mapping = FindMapping(HandleArg(info));
  if (!mapping) return Failed(info.Env(), EBADF);
  return Napi::Number::New(info.Env(), static_cast<double>(mapping->length()));
}

// An ArrayBuffer over the mapping; its finalizer gives back one reference. Some builds (Electron) forbid
// buffers outside V8's own heap: then -ENOTSUP, and only the register accessors are left. An ArrayBuffer can't be
// read-only, and a store into a read-only mapping is a SIGSEGV: -EACCES.
static Napi::Value View(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto mapping = FindMapping(HandleArg(info));
  if (!mapping) return Failed(env, EBADF);
  if (!mapping->writable()) return Failed(env, EACCES);
  auto* reference = new std::shared_ptr<Mapping>(mapping);
  auto release = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Mapping>*>(hint); };
  napi_value view;
  if (napi_create_external_arraybuffer(env, mapping->address(), mapping->length(), release, reference, &view) != napi_ok) {
    delete reference;
    return Failed(env, ENOTSUP);
  }
  return Napi::Value(env, view);
}

// Once a view is detached its length is 0, reads give undefined and writes are ignored.
static Napi::Value Detach(const Napi::CallbackInfo& info) {
  if (info[0].IsArrayBuffer()) napi_detach_arraybuffer(info.Env(), info[0]);
  return info.Env().Undefined();
}

static Napi::Value Unmap(const Napi::CallbackInfo& info) {
  auto mapping = RemoveFromTable(HandleArg(info));
  if (!mapping) return Failed(info.Env(), EBADF);
  return Result(info.Env(), mapping->Close());
}

void InitMappings(Napi::Env env, Napi::Object exports) {
  exports["map"] = Napi::Function::New<Map>(env);
  exports["mappingAddress"] = Napi::Function::New<Address>(env);
  exports["mappingLength"] = Napi::Function::New<Length>(env);
  exports["mappingView"] = Napi::Function::New<View>(env);
  exports["detachView"] = Napi::Function::New<Detach>(env);
  exports["unmap"] = Napi::Function::New<Unmap>(env);
}
