// Waiting for an fd in this thread's event loop (uv_poll): eventfds and sockets, which net.Socket does not take.
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <cstdlib>

#include "numbers.h"
#include "values.h"

namespace {

struct Watcher {
  Id id;
  // Allocated by libuv's own measure, for its structs may grow from one Node.js to the next.
  uv_poll_t* poll;
  // A copy of the watched fd: libuv ends the process when an fd that it polls is closed under it.
  int fd;
  int events;
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
  Watcher* next;
};

// Each thread has its own list, for a watcher belongs to its thread's loop. A list and no container of the standard
// library: destroying one when a thread ends takes a function that musl does not have.
thread_local Watcher* first = nullptr;

// The link that leads to the watcher, or the null link at the list's end.
Watcher** LinkTo(Id id) {
  Watcher** link = &first;
  while (*link != nullptr && (*link)->id != id) link = &(*link)->next;
  return link;
}

uv_handle_t* HandleOf(Watcher* watcher) { return reinterpret_cast<uv_handle_t*>(watcher->poll); }

// libuv frees nothing itself, and the handle may go only after its close callback.
void OnClosed(uv_handle_t* handle) {
  auto* watcher = static_cast<Watcher*>(handle->data);
  if (watcher->cleanup != nullptr) Attempted(napi_remove_async_cleanup_hook(watcher->cleanup));
  std::free(handle);
  delete watcher;
}

void Stop(Watcher* watcher) {
  Watcher** link = LinkTo(watcher->id);
  if (*link == nullptr) return;
  *link = watcher->next;
  uv_poll_stop(watcher->poll);
  close(watcher->fd);
  if (watcher->context != nullptr) Attempted(napi_async_destroy(watcher->env, watcher->context));
  if (watcher->callback != nullptr) Attempted(napi_delete_reference(watcher->env, watcher->callback));
  uv_close(HandleOf(watcher), OnClosed);
}

// A worker that ends must not leave handles in its loop: Node would abort.
void OnEnvironmentEnds(napi_async_cleanup_hook_handle, void* data) { Stop(static_cast<Watcher*>(data)); }

// The callback's own exception becomes an ordinary uncaughtException. In an environment that is ending, nothing of this
// does anything.
void CallBack(const Watcher& watcher) {
  napi_env env = watcher.env;
  napi_value callback, receiver, ignored, exception;
  if (napi_get_reference_value(env, watcher.callback, &callback) != napi_ok) return;
  if (napi_get_global(env, &receiver) != napi_ok) return;
  if (napi_make_callback(env, watcher.context, receiver, callback, 0, nullptr, &ignored) == napi_ok) return;
  bool thrown = false;
  if (napi_is_exception_pending(env, &thrown) != napi_ok || !thrown) return;
  if (napi_get_and_clear_last_exception(env, &exception) != napi_ok) return;
  Attempted(napi_fatal_exception(env, exception));
}

void OnReady(uv_poll_t* poll, int status, int) {
  auto* watcher = static_cast<Watcher*>(reinterpret_cast<uv_handle_t*>(poll)->data);
  napi_env env = watcher->env;
  // libuv stops polling an fd in an error state (a reset socket, a full eventfd); reading it clears that state.
  if (status < 0) uv_poll_start(poll, watcher->events, OnReady);
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  CallBack(*watcher);
  Attempted(napi_close_handle_scope(env, scope));
}

// libuv makes what it polls non-blocking, and with it the open file of everybody who has it: a terminal or a pipe of
// other processes too. It reads nothing itself, so it can do without.
int InitPoll(uv_loop_t* loop, uv_poll_t* poll, int fd) {
  int flags = fcntl(fd, F_GETFL);
  int error = uv_poll_init(loop, poll, fd);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) fcntl(fd, F_SETFL, flags);
  return error;
}

// A new watcher whose handle is in the loop; nullptr and the negative errno if there can't be one.
Watcher* Open(uv_loop_t* loop, int fd, int* error) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  *error = -errno;
  if (copy < 0) return nullptr;
  auto* poll = static_cast<uv_poll_t*>(std::calloc(1, uv_handle_size(UV_POLL)));
  *error = poll == nullptr ? UV_ENOMEM : InitPoll(loop, poll, copy);
  if (*error != 0) {
    std::free(poll);
    close(copy);
    return nullptr;
  }
  auto* watcher = new Watcher{};
  watcher->poll = poll;
  watcher->fd = copy;
  HandleOf(watcher)->data = watcher;
  return watcher;
}

// What Node-API has to do with it; false if the environment is ending.
bool Attach(Watcher* watcher, napi_env env, napi_value callback) {
  watcher->env = env;
  napi_value name = Text(env, "vfio.watch", NAPI_AUTO_LENGTH);
  return name != nullptr && napi_create_reference(env, callback, 1, &watcher->callback) == napi_ok &&
         napi_async_init(env, nullptr, name, &watcher->context) == napi_ok &&
         napi_add_async_cleanup_hook(env, OnEnvironmentEnds, watcher, &watcher->cleanup) == napi_ok;
}

// watch(fd, forWriting, callback) → a number to pass to unwatch, watchRef and watchUnref; or -errno.
napi_value Watch(const Call& call) {
  napi_env env = call.env();
  uv_loop_t* loop;
  if (TypeOf(env, call[2]) != napi_function) return Failed(call, EINVAL);
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return Failed(call, EINVAL);
  int error = 0;
  Watcher* watcher = Open(loop, call.Fd(0), &error);
  if (watcher == nullptr) return Failed(call, -error);
  watcher->id = NextId();
  watcher->events = call.Flag(1) ? UV_WRITABLE : UV_READABLE | UV_DISCONNECT;
  watcher->next = first;
  first = watcher;
  bool attached = Attach(watcher, env, call[2]);
  error = attached ? uv_poll_start(watcher->poll, watcher->events, OnReady) : UV_ECANCELED;
  if (error == 0) return Number(env, watcher->id);
  Stop(watcher);
  return Failed(call, -error);
}

void Ref(Watcher* watcher) { uv_ref(HandleOf(watcher)); }
void Unref(Watcher* watcher) { uv_unref(HandleOf(watcher)); }

// A function on the watcher whose number is the argument, if there still is one.
template <void (*function)(Watcher*)>
napi_value WithWatcher(const Call& call) {
  Watcher* watcher = *LinkTo(IdArg(call, 0));
  if (watcher != nullptr) function(watcher);
  return nullptr;
}

}  // namespace

bool AddWatchers(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"watch", Native<Watch, 3>},
                       {"unwatch", Native<WithWatcher<Stop>, 1>},
                       {"watchRef", Native<WithWatcher<Ref>, 1>},
                       {"watchUnref", Native<WithWatcher<Unref>, 1>}});
}
