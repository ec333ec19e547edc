// Event counters: what the kernel raises for an interrupt.
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>

#include "common.h"

using Clock = std::chrono::steady_clock;

static Napi::Value Eventfd(const Napi::CallbackInfo& info) {
  return Result(info.Env(), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

// The counter (> 0), 0 when nothing was signalled, or -errno.
static double Take(int fd) {
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) >= 0) return static_cast<double>(count);
  return errno == EAGAIN ? 0 : -errno;
}

// Reading the clock costs as much as a look at the counter, so it is read only now and then.
static double TakeWithin(int fd, Clock::duration limit) {
  auto end = Clock::now() + limit;
  do {
    for (int look = 0; look < 16; look++) {
      double count = Take(fd);
      if (count != 0) return count;
    }
  } while (Clock::now() < end);
  return 0;
}

// Busy polling calls these two in a loop, so they are plain Node-API functions, which cost less than wrapped ones.
static napi_value EventfdRead(napi_env env, napi_callback_info info) {
  size_t length = 1;
  napi_value argument, result;
  napi_get_cb_info(env, info, &length, &argument, nullptr, nullptr);
  napi_create_double(env, Take(FdOf(Napi::Value(env, argument))), &result);
  return result;
}

// eventfdSpin(fd, microseconds) → as eventfdRead, which it does again and again until it brings something or the time
// is up.
static napi_value EventfdSpin(napi_env env, napi_callback_info info) {
  size_t length = 2;
  napi_value arguments[2], result;
  napi_get_cb_info(env, info, &length, arguments, nullptr, nullptr);
  auto limit = WholeNumber(Napi::Value(env, arguments[1]), 0, 1ll << 40);
  if (!limit) return Failed(env, EINVAL);
  int fd = FdOf(Napi::Value(env, arguments[0]));
  napi_create_double(env, TakeWithin(fd, std::chrono::microseconds(*limit)), &result);
  return result;
}

static Napi::Value EventfdWrite(const Napi::CallbackInfo& info) {
  auto added = OffsetArg(info, 1);
  if (!added) return Failed(info.Env(), EINVAL);
  auto count = static_cast<uint64_t>(*added);
  return Result(info.Env(), write(FdArg(info, 0), &count, sizeof count));
}

void InitEventfds(Napi::Env env, Napi::Object exports) {
  exports["eventfd"] = Napi::Function::New<Eventfd>(env);
  exports["eventfdRead"] = PlainFunction(env, "eventfdRead", EventfdRead);
  exports["eventfdSpin"] = PlainFunction(env, "eventfdSpin", EventfdSpin);
  exports["eventfdWrite"] = Napi::Function::New<EventfdWrite>(env);
}
