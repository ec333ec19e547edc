// Whether an fd is ready, asked and not waited for: where the event loop has no uv_poll, a timer asks.
#include <poll.h>
#include <sys/stat.h>

#include "values.h"

namespace {

// ready(fd, forWriting) → 1 or 0, or -errno. An error or a peer that left is ready too: the next call tells which.
napi_value Ready(const Call& call) {
  short wanted = call.Flag(1) ? POLLOUT : POLLIN | POLLRDHUP;
  pollfd asked{call.Fd(0), wanted, 0};
  // For an ordinary file poll() says "ready" always, where epoll says EPERM.
  struct stat status;
  if (fstat(asked.fd, &status) < 0) return Result(call, -1);
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return Failed(call, EPERM);
  return Result(call, poll(&asked, 1, 0));
}

}  // namespace

bool AddReadiness(napi_env env, napi_value exports) {
  return AddFunctions(env, exports, {{"ready", Native<Ready, 2>}});
}
