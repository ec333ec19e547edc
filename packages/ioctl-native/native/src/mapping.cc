#include "mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>
#include <vector>

#include "common.h"

#ifndef MADV_POPULATE_WRITE  // Linux 5.14
#define MADV_POPULATE_WRITE 23
#endif

namespace {

// Worker threads find the same mapping by its number, so the table belongs to the process.
std::mutex table_mutex;
std::unordered_map<uint32_t, std::shared_ptr<Mapping>> table;
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

// The kernel rounds a mapping up to whole pages; so must whatever replaces it.
size_t WholePages(size_t length) {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (length + page - 1) / page * page;
}

}  // namespace

Mapping::~Mapping() { munmap(address_, WholePages(length_)); }

int Mapping::Close() {
  if (closed_.exchange(true)) return 0;
  void* overlay = mmap(address_, WholePages(length_), PROT_READ | PROT_WRITE,
                       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return overlay == MAP_FAILED ? -1 : 0;
}

std::shared_ptr<Mapping> FindMapping(uint32_t handle) {
  std::lock_guard<std::mutex> lock(table_mutex);
  auto found = table.find(handle);
  return found == table.end() ? nullptr : found->second;
}

// map({ fd, offset, length, writable, populate, address }) → handle or -errno.
static Napi::Value Map(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = IntArg(info, 0);
  int64_t offset = OffsetArg(info, 1);
  size_t length = static_cast<size_t>(OffsetArg(info, 2));
  bool writable = info[3].ToBoolean();
  bool populate = info[4].ToBoolean();
  void* wanted = nullptr;
  int flags = MAP_SHARED;
  if (info[5].IsBigInt()) {
    bool lossless = false;
    wanted = reinterpret_cast<void*>(info[5].As<Napi::BigInt>().Uint64Value(&lossless));
    flags |= MAP_FIXED_NOREPLACE;
  }

  void* address = mmap(wanted, length, PROT_READ | (writable ? PROT_WRITE : 0), flags, fd, offset);
  if (address == MAP_FAILED) return Result(env, -1);

  // A hugepage that can't be had (cgroup limit, no reservation) would be a SIGBUS at first touch. Populating
  // now makes it an error. madvise and not MAP_POPULATE, because mmap hides a failed population.
  if (populate && madvise(address, length, MADV_POPULATE_WRITE) < 0 && errno != EINVAL) {
    int error = errno;
    munmap(address, length);
    return Failed(env, error == EFAULT ? ENOMEM : error);
  }
  return Napi::Number::New(env, AddToTable(std::make_shared<Mapping>(static_cast<uint8_t*>(address), length, writable)));
}

static Napi::Value Address(const Napi::CallbackInfo& info) {
  auto mapping = FindMapping(info[0].As<Napi::Number>().Uint32Value());
  if (!mapping) return Failed(info.Env(), EBADF);
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(mapping->address())));
}

static Napi::Value Length(const Napi::CallbackInfo& info) {
  auto mapping = FindMapping(info[0].As<Napi::Number>().Uint32Value());
  if (!mapping) return Failed(info.Env(), EBADF);
  return Napi::Number::New(info.Env(), static_cast<double>(mapping->length()));
}

// An ArrayBuffer over the mapping; its finalizer gives back one reference. Some builds (Electron) forbid
// buffers outside V8's own heap: then -ENOTSUP, and only the register accessors are left.
static Napi::Value View(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto mapping = FindMapping(info[0].As<Napi::Number>().Uint32Value());
  if (!mapping) return Failed(env, EBADF);
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
  if (info[0].IsArrayBuffer()) info[0].As<Napi::ArrayBuffer>().Detach();
  return info.Env().Undefined();
}

static Napi::Value Unmap(const Napi::CallbackInfo& info) {
  auto mapping = RemoveFromTable(info[0].As<Napi::Number>().Uint32Value());
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
