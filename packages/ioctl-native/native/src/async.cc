// System calls that may wait in the kernel for seconds: ioctl and close in libuv's thread pool. An environment that
// ends waits for those on their way, as Node.js does for all that is in the pool.
#include "async.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>

#include "common.h"

namespace {

void Execute(napi_env, void* data) {
  auto* job = static_cast<Job*>(data);
  long result = job->run(*job);
  job->result = result < 0 ? -errno : result;
}

// JavaScript ran meanwhile: the array may be detached by now.
void CopyBack(napi_env env, const Job& job) {
  napi_value array;
  if (job.target == nullptr || napi_get_reference_value(env, job.target, &array) != napi_ok) return;
  auto to = BytesOf(Napi::Value(env, array));
  if (to && to->length == job.bytes.size()) memcpy(to->data, job.bytes.data(), to->length);
}

void Destroy(napi_env env, Job* job) {
  if (job->target != nullptr) napi_delete_reference(env, job->target);
  if (job->work != nullptr) napi_delete_async_work(env, job->work);
  delete job;
}

// In an environment that is ending each of these calls fails without harm: nobody waits for the promise any more.
void Complete(napi_env env, napi_status status, void* data) {
  auto* job = static_cast<Job*>(data);
  CopyBack(env, *job);
  napi_value result;
  double value = static_cast<double>(status == napi_cancelled ? -ECANCELED : job->result);
  if (napi_create_double(env, value, &result) == napi_ok) napi_resolve_deferred(env, job->deferred, result);
  Destroy(env, job);
}

bool Queue(napi_env env, Job* job) {
  napi_value name;
  if (napi_create_string_utf8(env, "vfio.call", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  if (napi_create_async_work(env, nullptr, name, Execute, Complete, job, &job->work) != napi_ok) return false;
  return napi_queue_async_work(env, job->work) == napi_ok;
}

long RunIoctl(Job& job) {
  void* argument = job.target == nullptr ? reinterpret_cast<void*>(job.value) : job.bytes.data();
  long result = ioctl(job.fd, job.request, argument);
  int error = errno;
  close(job.fd);
  errno = error;
  return result;
}

long RunClose(Job& job) { return close(job.fd); }

// ioctlAsync(fd, request, argument) → a promise of what ioctl() returns. Bytes are copied, and copied back when it is
// over. The call has an fd of its own: the number may be another file's before its turn comes.
napi_value IoctlAsync(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok) return nullptr;
  auto request = RequestOf(Napi::Value(env, arguments[1]));
  auto value = WholeNumber(Napi::Value(env, arguments[2]), -kMaxSafeInteger, kMaxSafeInteger);
  auto bytes = BytesOf(Napi::Value(env, arguments[2]));
  if (!request || !(value || bytes)) return Promised(env, -EINVAL);
  auto* job = new Job(RunIoctl);
  job->request = *request;
  job->value = value.value_or(0);
  if (bytes) {
    job->bytes.assign(bytes->data, bytes->data + bytes->length);
    if (napi_create_reference(env, arguments[2], 1, &job->target) != napi_ok) return delete job, nullptr;
  }
  job->fd = fcntl(FdOf(Napi::Value(env, arguments[0])), F_DUPFD_CLOEXEC, 0);
  if (job->fd >= 0) return Start(env, job);
  int error = errno;
  Destroy(env, job);
  return Promised(env, -error);
}

// closeAsync(fd) → a promise of what close() returns. The number is this file's until then.
napi_value CloseAsync(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok) return nullptr;
  auto* job = new Job(RunClose);
  job->fd = FdOf(Napi::Value(env, argument));
  return Start(env, job);
}

}  // namespace

napi_value Start(napi_env env, Job* job) {
  napi_value promise;
  if (napi_create_promise(env, &job->deferred, &promise) == napi_ok && Queue(env, job)) return promise;
  // The environment is ending. The fd is the job's, whatever it was to do with it.
  if (job->fd >= 0) close(job->fd);
  Destroy(env, job);
  return nullptr;
}

napi_value Promised(napi_env env, long result) {
  napi_deferred deferred;
  napi_value promise, value;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  if (napi_create_double(env, static_cast<double>(result), &value) != napi_ok) return nullptr;
  return napi_resolve_deferred(env, deferred, value) == napi_ok ? promise : nullptr;
}

void InitAsync(Napi::Env env, Napi::Object exports) {
  exports["ioctlAsync"] = PlainFunction(env, "ioctlAsync", IoctlAsync);
  exports["closeAsync"] = PlainFunction(env, "closeAsync", CloseAsync);
}
