// File descriptors: open, close, dup, ioctl, pread, pwrite, memfd.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common.h"

// Every fd is close-on-exec: a VFIO fd inherited by accident would keep a device busy after we are gone.
static Napi::Value Open(const Napi::CallbackInfo& info) {
  auto path = StringArg(info, 0);
  auto flags = IntArg(info, 1);
  auto mode = IntArg(info, 2);
  if (!path || !flags || !mode) return Failed(info.Env(), EINVAL);
  return Result(info.Env(), open(path->c_str(), *flags | O_CLOEXEC, *mode));
}

static Napi::Value Close(const Napi::CallbackInfo& info) { return Result(info.Env(), close(FdArg(info, 0))); }

static Napi::Value Dup(const Napi::CallbackInfo& info) {
  return Result(info.Env(), fcntl(FdArg(info, 0), F_DUPFD_CLOEXEC, 0));
}

// ioctl(fd, request, argument): the argument is an integer, or the address of a Uint8Array's memory.
// A plain Node-API function, which costs less than a wrapped one: interrupts are triggered with it in loops.
static napi_value Ioctl(napi_env env, napi_callback_info info) {
  size_t length = 3;
  napi_value arguments[3];
  napi_get_cb_info(env, info, &length, arguments, nullptr, nullptr);
  int fd = FdOf(Napi::Value(env, arguments[0]));
  auto request = RequestOf(Napi::Value(env, arguments[1]));
  if (!request) return Failed(env, EINVAL);
  Napi::Value argument(env, arguments[2]);
  auto bytes = BytesOf(argument);
  if (bytes && bytes->data != nullptr) return Result(env, ioctl(fd, *request, bytes->data));
  auto value = WholeNumber(argument, -kMaxSafeInteger, kMaxSafeInteger);
  if (!value) return Failed(env, EINVAL);
  return Result(env, ioctl(fd, *request, static_cast<long>(*value)));
}

// ioctlEach(fd, request, bytes, stride) → how many calls succeeded, one for each `stride` bytes in turn, up to the first
// that fails; or -errno if the first one fails.
static napi_value IoctlEach(napi_env env, napi_callback_info info) {
  size_t length = 4;
  napi_value arguments[4];
  napi_get_cb_info(env, info, &length, arguments, nullptr, nullptr);
  int fd = FdOf(Napi::Value(env, arguments[0]));
  auto request = RequestOf(Napi::Value(env, arguments[1]));
  auto stride = WholeNumber(Napi::Value(env, arguments[3]), 1, kMaxSafeInteger);
  auto bytes = BytesOf(Napi::Value(env, arguments[2]));
  if (!request || !stride || !bytes) return Failed(env, EINVAL);
  size_t count = bytes->length / static_cast<size_t>(*stride);
  for (size_t done = 0; done < count; done++) {
    if (ioctl(fd, *request, bytes->data + done * *stride) >= 0) continue;
    return done == 0 ? Result(env, -1) : Napi::Number::New(env, static_cast<double>(done));
  }
  return Napi::Number::New(env, static_cast<double>(count));
}

static Napi::Value Pread(const Napi::CallbackInfo& info) {
  int fd = FdArg(info, 0);
  auto offset = OffsetArg(info, 2);
  auto bytes = BytesArg(info, 1);
  if (!bytes || !offset) return Failed(info.Env(), EINVAL);
  return Result(info.Env(), pread(fd, bytes->data, bytes->length, *offset));
}

// preadStrided(fd, bytes, width, offset, stride) → how many reads were complete, or -errno: fills `bytes` with reads
// of `width` bytes each, the first at `offset` and each next one `stride` further. For tables of which only every
// so-many-th entry is wanted, such as pagemap's with hugepages.
static Napi::Value PreadStrided(const Napi::CallbackInfo& info) {
  auto bytes = BytesArg(info, 1);
  auto width = WholeArg(info, 2, 1, kMaxSafeInteger);
  auto offset = OffsetArg(info, 3);
  auto stride = OffsetArg(info, 4);
  if (!bytes || !width || !offset || !stride) return Failed(info.Env(), EINVAL);
  int fd = FdArg(info, 0);
  size_t count = bytes->length / static_cast<size_t>(*width);
  size_t done = 0;
  for (; done < count; done++) {
    off_t at = *offset + static_cast<off_t>(done) * *stride;
    ssize_t got = pread(fd, bytes->data + done * *width, *width, at);
    if (got < 0) return Result(info.Env(), -1);
    if (got != static_cast<ssize_t>(*width)) break;
  }
  return Napi::Number::New(info.Env(), static_cast<double>(done));
}

static Napi::Value Pwrite(const Napi::CallbackInfo& info) {
  int fd = FdArg(info, 0);
  auto offset = OffsetArg(info, 2);
  auto bytes = BytesArg(info, 1);
  if (!bytes || !offset) return Failed(info.Env(), EINVAL);
  return Result(info.Env(), pwrite(fd, bytes->data, bytes->length, *offset));
}

static Napi::Value Truncate(const Napi::CallbackInfo& info) {
  auto bytes = OffsetArg(info, 1);
  if (!bytes) return Failed(info.Env(), EINVAL);
  return Result(info.Env(), ftruncate(FdArg(info, 0), *bytes));
}

static Napi::Value Memfd(const Napi::CallbackInfo& info) {
  auto name = StringArg(info, 0);
  auto flags = WholeArg(info, 1, 0, std::numeric_limits<uint32_t>::max());
  if (!name || !flags) return Failed(info.Env(), EINVAL);
  unsigned all = static_cast<unsigned>(*flags) | MFD_CLOEXEC | MFD_ALLOW_SEALING;
  return Result(info.Env(), memfd_create(name->c_str(), all));
}

// A memory file that shrinks under a mapping makes the next access a SIGBUS, and whoever has its fd could shrink it.
static Napi::Value SealSize(const Napi::CallbackInfo& info) {
  return Result(info.Env(), fcntl(FdArg(info, 0), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
}

// lockHolder(fd) → { locked, pid }: whether another process has a POSIX lock on any part of the file that excludes a
// write lock. The pid is 0 for a process of a namespace that this one does not see, and -1 for a lock of an open file.
static Napi::Value LockHolder(const Napi::CallbackInfo& info) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(FdArg(info, 0), F_GETLK, &lock) < 0) return Result(info.Env(), -1);
  auto result = Napi::Object::New(info.Env());
  result["locked"] = Napi::Boolean::New(info.Env(), lock.l_type != F_UNLCK);
  result["pid"] = static_cast<double>(lock.l_type == F_UNLCK ? 0 : lock.l_pid);
  return result;
}

// { current, maximum } in bytes; Infinity for "unlimited".
static Napi::Value MemlockLimit(const Napi::CallbackInfo& info) {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0) return Result(info.Env(), -1);
  auto bytes = [](rlim_t value) {
    return value == RLIM_INFINITY ? std::numeric_limits<double>::infinity() : static_cast<double>(value);
  };
  auto result = Napi::Object::New(info.Env());
  result["current"] = bytes(limit.rlim_cur);
  result["maximum"] = bytes(limit.rlim_max);
  return result;
}

void InitFiles(Napi::Env env, Napi::Object exports) {
  exports["open"] = Napi::Function::New<Open>(env);
  exports["close"] = Napi::Function::New<Close>(env);
  exports["dup"] = Napi::Function::New<Dup>(env);
  exports["ioctl"] = PlainFunction(env, "ioctl", Ioctl);
  exports["ioctlEach"] = PlainFunction(env, "ioctlEach", IoctlEach);
  exports["pread"] = Napi::Function::New<Pread>(env);
  exports["preadStrided"] = Napi::Function::New<PreadStrided>(env);
  exports["pwrite"] = Napi::Function::New<Pwrite>(env);
  exports["truncate"] = Napi::Function::New<Truncate>(env);
  exports["memfdCreate"] = Napi::Function::New<Memfd>(env);
  exports["sealSize"] = Napi::Function::New<SealSize>(env);
  exports["lockHolder"] = Napi::Function::New<LockHolder>(env);
  exports["memlockLimit"] = Napi::Function::New<MemlockLimit>(env);
}
