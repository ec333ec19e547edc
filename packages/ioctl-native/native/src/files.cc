// File descriptors: open, close, dup, ioctl, pread, pwrite, memfd, eventfd.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "common.h"

// Every fd is close-on-exec: a VFIO fd inherited by accident would keep a device busy after we are gone.
static Napi::Value Open(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString();
  return Result(info.Env(), open(path.c_str(), IntArg(info, 1) | O_CLOEXEC, IntArg(info, 2)));
}

static Napi::Value Close(const Napi::CallbackInfo& info) { return Result(info.Env(), close(IntArg(info, 0))); }

static Napi::Value Dup(const Napi::CallbackInfo& info) {
  return Result(info.Env(), fcntl(IntArg(info, 0), F_DUPFD_CLOEXEC, 0));
}

// ioctl(fd, request, argument): the argument is an int, or the address of a Uint8Array's memory.
static Napi::Value Ioctl(const Napi::CallbackInfo& info) {
  unsigned long request = static_cast<unsigned long>(OffsetArg(info, 1));
  Bytes bytes = BytesArg(info, 2);
  if (bytes.data != nullptr) return Result(info.Env(), ioctl(IntArg(info, 0), request, bytes.data));
  if (!info[2].IsNumber()) return Failed(info.Env(), EINVAL);
  return Result(info.Env(), ioctl(IntArg(info, 0), request, static_cast<long>(IntArg(info, 2))));
}

static Napi::Value Pread(const Napi::CallbackInfo& info) {
  Bytes bytes = BytesArg(info, 1);
  return Result(info.Env(), pread(IntArg(info, 0), bytes.data, bytes.length, OffsetArg(info, 2)));
}

static Napi::Value Pwrite(const Napi::CallbackInfo& info) {
  Bytes bytes = BytesArg(info, 1);
  return Result(info.Env(), pwrite(IntArg(info, 0), bytes.data, bytes.length, OffsetArg(info, 2)));
}

static Napi::Value Truncate(const Napi::CallbackInfo& info) {
  return Result(info.Env(), ftruncate(IntArg(info, 0), OffsetArg(info, 1)));
}

static Napi::Value Memfd(const Napi::CallbackInfo& info) {
  std::string name = info[0].ToString();
  unsigned flags = info[1].As<Napi::Number>().Uint32Value();
  return Result(info.Env(), memfd_create(name.c_str(), flags | MFD_CLOEXEC));
}

static Napi::Value Eventfd(const Napi::CallbackInfo& info) {
  return Result(info.Env(), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

// The counter (> 0), 0 when nothing was signalled, or -errno.
static Napi::Value EventfdRead(const Napi::CallbackInfo& info) {
  uint64_t count = 0;
  ssize_t got = read(IntArg(info, 0), &count, sizeof count);
  if (got < 0) return errno == EAGAIN ? Napi::Number::New(info.Env(), 0) : Result(info.Env(), -1);
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

static Napi::Value EventfdWrite(const Napi::CallbackInfo& info) {
  uint64_t count = static_cast<uint64_t>(OffsetArg(info, 1));
  return Result(info.Env(), write(IntArg(info, 0), &count, sizeof count));
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
  exports["ioctl"] = Napi::Function::New<Ioctl>(env);
  exports["pread"] = Napi::Function::New<Pread>(env);
  exports["pwrite"] = Napi::Function::New<Pwrite>(env);
  exports["truncate"] = Napi::Function::New<Truncate>(env);
  exports["memfdCreate"] = Napi::Function::New<Memfd>(env);
  exports["eventfd"] = Napi::Function::New<Eventfd>(env);
  exports["eventfdRead"] = Napi::Function::New<EventfdRead>(env);
  exports["eventfdWrite"] = Napi::Function::New<EventfdWrite>(env);
  exports["memlockLimit"] = Napi::Function::New<MemlockLimit>(env);
}
