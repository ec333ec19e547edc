// System calls that may wait in the kernel for seconds: ioctl and close in libuv's thread pool. An environment that
// ends waits for those on their way, as Node.js does for all that is in the pool.
#include "async.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>

#include "mapping-table.h"
#include "owned-fds.h"

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
  auto to = BytesOf(env, array);
  if (to && to->length == job.bytes.size()) memcpy(to->data, job.bytes.data(), to->length);
}

void Destroy(napi_env env, Job* job) {
  if (job->target != nullptr) Attempted(napi_delete_reference(env, job->target));
  if (job->work != nullptr) Attempted(napi_delete_async_work(env, job->work));
  delete job;
}

// In an environment that is ending nobody waits for the promise any more.
void Complete(napi_env env, napi_status, void* data) {
  auto* job = static_cast<Job*>(data);
  CopyBack(env, *job);
  napi_value result = Number(env, static_cast<double>(job->result));
  if (result != nullptr) Attempted(napi_resolve_deferred(env, job->deferred, result));
  Destroy(env, job);
}

bool Queue(napi_env env, Job* job) {
  napi_value name = Text(env, "vfio.call", NAPI_AUTO_LENGTH);
  return name != nullptr && napi_create_async_work(env, nullptr, name, Execute, Complete, job, &job->work) == napi_ok &&
         napi_queue_async_work(env, job->work) == napi_ok;
}

long RunIoctl(Job& job) {
  void* argument = job.target == nullptr ? reinterpret_cast<void*>(job.value) : job.bytes.data();
  long result = ioctl(job.fd, job.request, argument);
  int error = errno;
  if (result >= 0 && job.request == VFIO_GROUP_GET_DEVICE_FD) OwnFd(job.env, static_cast<int>(result));
  close(job.fd);
  errno = error;
  return result;
}

long RunClose(Job& job) { return close(job.fd); }

// The bytes that the call reads and writes; false if the environment is ending.
bool Take(const Call& call, size_t index, const struct Bytes& bytes, Job* job) {
  job->bytes.assign(bytes.data, bytes.data + bytes.length);
  return napi_create_reference(call.env(), call[index], 1, &job->target) == napi_ok;
}

// ioctlAsync(fd, request, argument) → a promise of what ioctl() returns. Bytes are copied, and copied back when
// it is over. The call has an fd of its own: the number may be another file's before its turn comes.
napi_value IoctlAsync(const Call& call) {
  auto request = call.Word(1);
  auto value = call.Whole(2, -kMaxSafeInteger, kMaxSafeInteger);
  auto bytes = call.Bytes(2);
  if (!request || !(value || bytes)) return Promised(call.env(), -EINVAL);
  int fd = fcntl(call.Fd(0), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return Promised(call.env(), -errno);
  auto* job = new Job(RunIoctl);
  job->fd = fd;
  job->request = *request;
  job->value = value.value_or(0);
  job->env = call.env();
  if (!bytes || Take(call, 2, *bytes, job)) return Start(call.env(), job);
  return Forget(call.env(), job);
}

// closeAsync(fd) → a promise of what close() returns. The number is this file's until then.
napi_value CloseAsync(const Call& call) {
  auto* job = new Job(RunClose);
  job->fd = call.Fd(0);
  DisownFd(job->fd);
  FileIsClosed(job->fd);
  return Start(call.env(), job);
}

}  // namespace

napi_value Start(napi_env env, Job* job) {
  napi_value promise;
  bool started = napi_create_promise(env, &job->deferred, &promise) == napi_ok && Queue(env, job);
  return started ? promise : Forget(env, job);
}

napi_value Forget(napi_env env, Job* job) {
  if (job->fd >= 0) close(job->fd);
  Destroy(env, job);
  return nullptr;
}

napi_value Promised(napi_env env, long result) {
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  napi_value value = Number(env, static_cast<double>(result));
  return value != nullptr && napi_resolve_deferred(env, deferred, value) == napi_ok ? promise : nullptr;
}

bool AddAsync(napi_env env, napi_value exports) {
  return AddFunctions(env, exports, {{"ioctlAsync", Native<IoctlAsync, 3>}, {"closeAsync", Native<CloseAsync, 1>}});
}
