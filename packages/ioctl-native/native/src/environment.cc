// What an environment opened, mapped and shared goes with it, however it ends: a worker that is terminated runs no
// JavaScript any more. Watchers, which have handles in its event loop, have hooks of their own (watcher.cc).
#include <unistd.h>

#include "mapping-table.h"
#include "owned-fds.h"
#include "shared-files.h"

namespace {

// Windows of a device first, then the device.
void OnEnd(void* data) {
  auto* environment = static_cast<napi_env>(data);
  LeaveMappingsOf(environment);
  UnshareFilesOf(environment);
  for (int fd : DisownFdsOf(environment)) {
    FileIsClosed(fd);
    close(fd);
  }
}

// ownFd(fd): from now on it is this thread's, unless it is another one's.
napi_value Own(const Call& call) {
  if (int fd = call.Fd(0); fd >= 0) ClaimFd(call.env(), fd);
  return nullptr;
}

// disownFd(fd): the program cares for it, or another thread.
napi_value Disown(const Call& call) {
  DisownFd(call.Fd(0));
  return nullptr;
}

}  // namespace

bool AddEnvironment(napi_env env, napi_value exports) {
  if (napi_add_env_cleanup_hook(env, OnEnd, env) != napi_ok) return false;
  return AddFunctions(env, exports, {{"ownFd", Native<Own, 1>}, {"disownFd", Native<Disown, 1>}});
}
