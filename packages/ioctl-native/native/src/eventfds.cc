// Event counters: what the kernel raises for an interrupt.
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>

#include "owned-fds.h"

namespace {

using Clock = std::chrono::steady_clock;

napi_value Eventfd(const Call& call) { return Opened(call, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

// The counter (> 0), 0 when nothing was signalled, or -errno.
double Take(int fd) {
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) >= 0) return static_cast<double>(count);
  return errno == EAGAIN ? 0 : -errno;
}

// Reading the clock costs as much as a look at the counter, so it is read only now and then.
double TakeWithin(int fd, Clock::duration limit) {
  auto end = Clock::now() + limit;
  do {
    for (int look = 0; look < 16; look++) {
      double count = Take(fd);
      if (count != 0) return count;
    }
  } while (Clock::now() < end);
  return 0;
}

napi_value EventfdRead(const Call& call) { return Number(call.env(), Take(call.Fd(0))); }

// eventfdSpin(fd, microseconds) → as eventfdRead, which it does again and again until it brings something or the time
// is up. Nothing can end the thread meanwhile.
napi_value EventfdSpin(const Call& call) {
  auto limit = call.Whole(1, 0, 1ll << 40);
  if (!limit) return Failed(call, EINVAL);
  return Number(call.env(), TakeWithin(call.Fd(0), std::chrono::microseconds(*limit)));
}

napi_value EventfdWrite(const Call& call) {
  auto added = call.Offset(1);
  if (!added) return Failed(call, EINVAL);
  auto count = static_cast<uint64_t>(*added);
  return Result(call, write(call.Fd(0), &count, sizeof count));
}

}  // namespace

bool AddEventfds(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"eventfd", Native<Eventfd, 0>},
                       {"eventfdRead", Native<EventfdRead, 1>},
                       {"eventfdSpin", Native<EventfdSpin, 2>},
                       {"eventfdWrite", Native<EventfdWrite, 2>}});
}
