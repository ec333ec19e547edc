// Whether an fd is ready, asked and not waited for: where the event loop has no uv_poll, a timer asks.
#include <poll.h>

#include "common.h"

// ready(fd, forWriting) → 1 or 0, or -errno. An error or a peer that left is ready too: the next call tells which.
static Napi::Value Ready(const Napi::CallbackInfo& info) {
  short wanted = info[1].ToBoolean() ? POLLOUT : POLLIN | POLLRDHUP;
  pollfd asked{FdArg(info, 0), wanted, 0};
  // poll() leaves out an fd below 0.
  if (asked.fd < 0) return Failed(info.Env(), EBADF);
  int count = poll(&asked, 1, 0);
  if (count < 0) return Result(info.Env(), -1);
  return (asked.revents & POLLNVAL) != 0 ? Failed(info.Env(), EBADF) : Result(info.Env(), count);
}

void InitReadiness(Napi::Env env, Napi::Object exports) { exports["ready"] = Napi::Function::New<Ready>(env); }
