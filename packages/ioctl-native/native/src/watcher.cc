// Waiting for an fd in this thread's event loop (uv_poll): eventfds and sockets, which net.Socket does not take.
#include <uv.h>

#include "common.h"

namespace {

struct Watcher {
  uv_poll_t poll;
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
};

// libuv frees nothing itself, and the handle may go only after its close callback.
void OnClosed(uv_handle_t* handle) {
  auto* watcher = static_cast<Watcher*>(handle->data);
  if (watcher->cleanup != nullptr) napi_remove_async_cleanup_hook(watcher->cleanup);
  delete watcher;
}

void Stop(Watcher* watcher) {
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&watcher->poll))) return;
  napi_async_destroy(watcher->env, watcher->context);
  napi_delete_reference(watcher->env, watcher->callback);
  uv_close(reinterpret_cast<uv_handle_t*>(&watcher->poll), OnClosed);
}

// A worker that ends must not leave handles in its loop: Node would abort.
void OnEnvironmentEnds(napi_async_cleanup_hook_handle, void* data) { Stop(static_cast<Watcher*>(data)); }

void OnReady(uv_poll_t* poll, int, int) {
  auto* watcher = static_cast<Watcher*>(poll->data);
  napi_env env = watcher->env;
  Napi::HandleScope scope(env);
  napi_value callback, receiver, ignored;
  napi_get_reference_value(env, watcher->callback, &callback);
  napi_get_global(env, &receiver);
  if (napi_make_callback(env, watcher->context, receiver, callback, 0, nullptr, &ignored) == napi_pending_exception) {
    napi_value exception;
    napi_get_and_clear_last_exception(env, &exception);
    napi_fatal_exception(env, exception);  // becomes an ordinary uncaughtException
  }
}

}  // namespace

// watch(fd, forWriting, callback) → an External to pass to unwatch, watchRef and watchUnref; or -errno.
static Napi::Value Watch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  auto* watcher = new Watcher{};
  watcher->env = env;
  watcher->poll.data = watcher;
  int error = uv_poll_init(loop, &watcher->poll, IntArg(info, 0));
  if (error != 0) {
    delete watcher;
    return Napi::Number::New(env, error);
  }
  napi_create_reference(env, info[2], 1, &watcher->callback);
  napi_async_init(env, nullptr, Napi::String::New(env, "vfio.watch"), &watcher->context);
  napi_add_async_cleanup_hook(env, OnEnvironmentEnds, watcher, &watcher->cleanup);
  int events = info[1].ToBoolean() ? UV_WRITABLE : UV_READABLE | UV_DISCONNECT;
  uv_poll_start(&watcher->poll, events, OnReady);
  return Napi::External<Watcher>::New(env, watcher);
}

static Watcher* WatcherArg(const Napi::CallbackInfo& info) { return info[0].As<Napi::External<Watcher>>().Data(); }

static Napi::Value Unwatch(const Napi::CallbackInfo& info) {
  Stop(WatcherArg(info));
  return info.Env().Undefined();
}

static Napi::Value Ref(const Napi::CallbackInfo& info) {
  uv_ref(reinterpret_cast<uv_handle_t*>(&WatcherArg(info)->poll));
  return info.Env().Undefined();
}

static Napi::Value Unref(const Napi::CallbackInfo& info) {
  uv_unref(reinterpret_cast<uv_handle_t*>(&WatcherArg(info)->poll));
  return info.Env().Undefined();
}

void InitWatchers(Napi::Env env, Napi::Object exports) {
  exports["watch"] = Napi::Function::New<Watch>(env);
  exports["unwatch"] = Napi::Function::New<Unwatch>(env);
  exports["watchRef"] = Napi::Function::New<Ref>(env);
  exports["watchUnref"] = Napi::Function::New<Unref>(env);
}
