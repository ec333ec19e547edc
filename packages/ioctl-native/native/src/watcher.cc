// Waiting for an fd in this thread's event loop (uv_poll): eventfds and sockets, which net.Socket does not take.
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cstdlib>

#include "common.h"

namespace {

struct Watcher {
  uint32_t id;
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

// JavaScript gets numbers and no pointers, so that a stale or invented one does nothing. Each thread has its own
// list, for a watcher belongs to its thread's loop; the numbers are the process's. A list and no container of the
// standard library: destroying one when a thread ends takes a function that musl does not have.
std::atomic<uint32_t> next_id{1};
thread_local Watcher* first = nullptr;

// The link that leads to the watcher, or the null link at the list's end.
Watcher** LinkTo(uint32_t id) {
  Watcher** link = &first;
  while (*link != nullptr && (*link)->id != id) link = &(*link)->next;
  return link;
}

uv_handle_t* HandleOf(Watcher* watcher) { return reinterpret_cast<uv_handle_t*>(watcher->poll); }

// libuv frees nothing itself, and the handle may go only after its close callback.
void OnClosed(uv_handle_t* handle) {
  auto* watcher = static_cast<Watcher*>(handle->data);
  if (watcher->cleanup != nullptr) napi_remove_async_cleanup_hook(watcher->cleanup);
  std::free(handle);
  delete watcher;
}

void Stop(Watcher* watcher) {
  Watcher** link = LinkTo(watcher->id);
  if (*link == nullptr) return;
  *link = watcher->next;
  uv_poll_stop(watcher->poll);
  close(watcher->fd);
  napi_async_destroy(watcher->env, watcher->context);
  napi_delete_reference(watcher->env, watcher->callback);
  uv_close(HandleOf(watcher), OnClosed);
}

// A worker that ends must not leave handles in its loop: Node would abort.
void OnEnvironmentEnds(napi_async_cleanup_hook_handle, void* data) { Stop(static_cast<Watcher*>(data)); }

void OnReady(uv_poll_t* poll, int status, int) {
  auto* watcher = static_cast<Watcher*>(reinterpret_cast<uv_handle_t*>(poll)->data);
  napi_env env = watcher->env;
  // libuv stops polling an fd in an error state (a reset socket, a full eventfd); reading it clears that state.
  if (status < 0) uv_poll_start(poll, watcher->events, OnReady);
  Napi::HandleScope scope(env);
  napi_value callback, receiver, ignored;
  if (napi_get_reference_value(env, watcher->callback, &callback) != napi_ok) return;
  if (napi_get_global(env, &receiver) != napi_ok) return;
  napi_make_callback(env, watcher->context, receiver, callback, 0, nullptr, &ignored);
  bool thrown = false;
  if (napi_is_exception_pending(env, &thrown) != napi_ok || !thrown) return;
  napi_value exception;
  if (napi_get_and_clear_last_exception(env, &exception) != napi_ok) return;
  napi_fatal_exception(env, exception);  // becomes an ordinary uncaughtException
}

// A new watcher whose handle is in the loop; nullptr and the negative errno if there can't be one.
Watcher* Open(uv_loop_t* loop, int fd, int* error) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  *error = -errno;
  if (copy < 0) return nullptr;
  auto* poll = static_cast<uv_poll_t*>(std::calloc(1, uv_handle_size(UV_POLL)));
  *error = poll == nullptr ? UV_ENOMEM : uv_poll_init(loop, poll, copy);
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

Watcher* WatcherArg(const Napi::CallbackInfo& info) {
  auto id = WholeArg(info, 0, 1, std::numeric_limits<uint32_t>::max());
  return *LinkTo(static_cast<uint32_t>(id.value_or(0)));
}

}  // namespace

// watch(fd, forWriting, callback) → a number to pass to unwatch, watchRef and watchUnref; or -errno.
static Napi::Value Watch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uv_loop_t* loop;
  if (!info[2].IsFunction() || napi_get_uv_event_loop(env, &loop) != napi_ok) return Failed(env, EINVAL);
  int error = 0;
  Watcher* watcher = Open(loop, FdArg(info, 0), &error);
  if (watcher == nullptr) return Napi::Number::New(env, error);
  watcher->id = next_id++;
  watcher->env = env;
  watcher->events = info[1].ToBoolean() ? UV_WRITABLE : UV_READABLE | UV_DISCONNECT;
  watcher->next = first;
  first = watcher;
  napi_create_reference(env, info[2], 1, &watcher->callback);
  napi_async_init(env, nullptr, Napi::String::New(env, "vfio.watch"), &watcher->context);
  napi_add_async_cleanup_hook(env, OnEnvironmentEnds, watcher, &watcher->cleanup);
  uv_poll_start(watcher->poll, watcher->events, OnReady);
  return Napi::Number::New(env, watcher->id);
}

static Napi::Value Unwatch(const Napi::CallbackInfo& info) {
  if (auto* watcher = WatcherArg(info)) Stop(watcher);
  return info.Env().Undefined();
}

static Napi::Value Ref(const Napi::CallbackInfo& info) {
  if (auto* watcher = WatcherArg(info)) uv_ref(HandleOf(watcher));
  return info.Env().Undefined();
}

static Napi::Value Unref(const Napi::CallbackInfo& info) {
  if (auto* watcher = WatcherArg(info)) uv_unref(HandleOf(watcher));
  return info.Env().Undefined();
}

void InitWatchers(Napi::Env env, Napi::Object exports) {
  exports["watch"] = Napi::Function::New<Watch>(env);
  exports["unwatch"] = Napi::Function::New<Unwatch>(env);
  exports["watchRef"] = Napi::Function::New<Ref>(env);
  exports["watchUnref"] = Napi::Function::New<Unref>(env);
}
