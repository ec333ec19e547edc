#include "mapping.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>

#include "mapping-functions.h"

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
  int error;
};

// The kernel rounds a mapping up to whole pages, hugepages on hugetlbfs; so must whatever replaces or unmaps it.
// Memory beyond the end of a file can be mapped, but touching it is a SIGBUS.
Range CheckRange(int fd, size_t offset, size_t length) {
  struct stat file;
  struct statfs filesystem;
  // The C library's own fstat is a symbol of glibc 2.33.
  if (syscall(SYS_fstat, fd, &file) < 0 || fstatfs(fd, &filesystem) < 0) return {0, errno};
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (filesystem.f_type == HUGETLBFS_MAGIC) page = static_cast<size_t>(filesystem.f_bsize);
  bool has_end = S_ISREG(file.st_mode) && (file.st_size > 0 || !IsAnonymousInode(filesystem));
  if (has_end && offset + length > RoundUp(static_cast<size_t>(file.st_size), page)) return {0, ENXIO};
  return {RoundUp(length, page), 0};
}

// A hugepage that can't be had (cgroup limit, no reservation) would be a SIGBUS at first touch. Populating now
// makes it an error. madvise and not MAP_POPULATE, because mmap hides a failed population. EINVAL: the kernel
// does not know it yet, or the pages are a device's.
int Populate(void* address, size_t length, bool writable) {
  if (madvise(address, length, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0 || errno == EINVAL) return 0;
  return errno == EFAULT ? ENOMEM : errno;
}

// What the ArrayBuffers have of their mappings, by number. Of a buffer that it could not make, Node-API runs the finalizer
// at once, later, or not at all: so both sides ask for it by number, and whoever comes second finds nothing.
auto& loans = *new std::unordered_map<uintptr_t, std::shared_ptr<Mapping>>;
uintptr_t next_loan = 1;

void* Lend(std::shared_ptr<Mapping> mapping) {
  std::lock_guard<std::mutex> lock(table_mutex);
  loans[next_loan] = std::move(mapping);
  return reinterpret_cast<void*>(next_loan++);
}

void GiveBack(void* loan) {
  std::shared_ptr<Mapping> last;  // destroyed after the lock is free: that may be a long munmap
  std::lock_guard<std::mutex> lock(table_mutex);
  auto found = loans.find(reinterpret_cast<uintptr_t>(loan));
  if (found == loans.end()) return;
  last = std::move(found->second);
  loans.erase(found);
}

}  // namespace

Mapping::~Mapping() { munmap(address_, pages_); }

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
static napi_value Map(const Call& call) {
  int fd = call.Fd(0);
  auto offset = call.Offset(1);
  auto length = call.Whole(2, 1, kMaxSafeInteger);
  bool writable = call.Flag(3);
  bool populate = call.Flag(4);
  auto wanted = TypeOf(call.env(), call[5]) == napi_bigint ? call.Wide(5) : 0;
  auto name = call.Text(6);
  auto node = call.Whole(7, -1, 65535);
  if (!offset || !length || !wanted || !name || !node) return Failed(call, EINVAL);

  Range range = CheckRange(fd, static_cast<size_t>(*offset), static_cast<size_t>(*length));
  if (range.error != 0) return Failed(call, range.error);
  int flags = MAP_SHARED | (*wanted == 0 ? 0 : MAP_FIXED_NOREPLACE);
  auto* hint = reinterpret_cast<void*>(static_cast<uintptr_t>(*wanted));
  void* address = mmap(hint, range.pages, PROT_READ | (writable ? PROT_WRITE : 0), flags, fd, *offset);
  if (address == MAP_FAILED) return Result(call, -1);

  // Before Linux 4.17 the address was only a hint.
  int error = *wanted != 0 && address != hint ? EEXIST : 0;
  if (error == 0 && *node >= 0) error = BindToNode(address, range.pages, static_cast<int>(*node));
  if (error == 0 && populate) error = Populate(address, range.pages, writable);
  if (error != 0) {
    munmap(address, range.pages);
    return Failed(call, error);
  }
  auto mapping = std::make_shared<Mapping>(static_cast<uint8_t*>(address), *length, range.pages, writable, *name);
  return Number(call.env(), AddToTable(std::move(mapping)));
}

static napi_value Address(const Call& call) {
  auto mapping = MappingArg(call, 0);
  if (!mapping) return Failed(call, EBADF);
  return BigInt(call.env(), reinterpret_cast<uintptr_t>(mapping->address()));
}

static napi_value Length(const Call& call) {
  auto mapping = MappingArg(call, 0);
  if (!mapping) return Failed(call, EBADF);
  return Number(call.env(), static_cast<double>(mapping->length()));
}

// An ArrayBuffer over the mapping; its finalizer gives back one reference. Some builds (Electron) forbid
// buffers outside V8's own heap: then -ENOTSUP, and only the register accessors are left. An ArrayBuffer can't be
// read-only, and a store into a read-only mapping is a SIGSEGV: -EACCES. -EFBIG: longer than the engine makes them.
static napi_value View(const Call& call) {
  napi_env env = call.env();
  MappingRef mapping = MappingArg(call, 0);
  if (!mapping) return Failed(call, EBADF);
  if (!mapping->writable()) return Failed(call, EACCES);
  void* loan = Lend(mapping);
  auto release = [](napi_env, void*, void* hint) { GiveBack(hint); };
  napi_value view;
  auto made = napi_create_external_arraybuffer(env, mapping->address(), mapping->length(), release, loan, &view);
  if (made == napi_ok) return view;
  GiveBack(loan);
  if (made == napi_no_external_buffers_allowed) return Failed(call, ENOTSUP);
  bool thrown = false;
  // In an environment that is ending nothing is thrown, and nothing need be returned.
  if (napi_is_exception_pending(env, &thrown) != napi_ok || !thrown) return nullptr;
  return napi_get_and_clear_last_exception(env, &view) == napi_ok ? Failed(call, EFBIG) : nullptr;
}

// Once a view is detached its length is 0, reads give undefined and writes are ignored. A view that can't be detached
// was, or was transferred to another thread.
static napi_value Detach(const Call& call) {
  Attempted(napi_detach_arraybuffer(call.env(), call[0]));
  return nullptr;
}

static napi_value Unmap(const Call& call) {
  auto handle = call.Whole(0, 1, std::numeric_limits<uint32_t>::max());
  auto mapping = RemoveFromTable(static_cast<uint32_t>(handle.value_or(0)));
  return mapping ? Result(call, mapping->Close()) : Failed(call, EBADF);
}

bool AddMappings(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"map", Native<Map, 8>},
                       {"mappingAddress", Native<Address, 1>},
                       {"mappingLength", Native<Length, 1>},
                       {"mappingView", Native<View, 1>},
                       {"detachView", Native<Detach, 1>},
                       {"unmap", Native<Unmap, 1>}});
}
