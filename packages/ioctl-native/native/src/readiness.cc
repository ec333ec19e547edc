// Whether an fd is ready, asked and not waited for: where the event loop has no uv_poll, a timer asks.
#include <poll.h>

#include "values.h"

namespace {

// ready(fd, forWriting) → 1 or 0, or -errno. An error or a peer that left is ready too: the next call tells which.
napi_value Ready(const Call& call) {
  short wanted = call.Flag(1) ? POLLOUT : POLLIN | POLLRDHUP;
  pollfd asked{call.Fd(0), wanted, 0};
  // poll() leaves out an fd below 0.
  if (asked.fd < 0) return Failed(call, EBADF);
  int count = poll(&asked, 1, 0);
  return (asked.revents & POLLNVAL) != 0 ? Failed(call, EBADF) : Result(call, count);
}

}  // namespace

bool AddReadiness(napi_env env, napi_value exports) {
  return AddFunctions(env, exports, {{"ready", Native<Ready, 2>}});
}
