// File descriptors: open, close, dup, ioctl, pread, pwrite, memfd.
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mapping-table.h"
#include "owned-fds.h"

namespace {

// Every fd is close-on-exec: a VFIO fd inherited by accident would keep a device busy after we are gone.
napi_value Open(const Call& call) {
  auto path = call.Text(0);
  auto flags = call.Int(1);
  auto mode = call.Int(2);
  if (!path || !flags || !mode) return Failed(call, EINVAL);
  return Opened(call, open(path->c_str(), *flags | O_CLOEXEC, *mode));
}

// From here on the number may be another file's, in whatever thread.
napi_value Close(const Call& call) {
  int fd = call.Fd(0);
  DisownFd(fd);
  FileIsClosed(fd);
  return Result(call, close(fd));
}

napi_value Dup(const Call& call) {
  return Opened(call, fcntl(call.Fd(0), F_DUPFD_CLOEXEC, 0));
}

// ioctl(fd, request, argument): the argument is an integer, or the address of a Uint8Array's memory. Interrupts are
// triggered with it in loops, so the integers are taken as checked-ioctl.ts leaves them: the fd and the request have 32 bits.
napi_value Ioctl(const Call& call) {
  auto fd = call.Checked32(0);
  auto request = call.Checked32(1);
  if (!fd || !request) return Failed(call, EINVAL);
  auto number = static_cast<uint32_t>(*request);
  if (auto value = call.Checked64(2)) return Result(call, ioctl(*fd, number, static_cast<long>(*value)));
  auto bytes = call.Bytes(2);
  if (!bytes || bytes->data == nullptr) return Failed(call, EINVAL);
  int result = ioctl(*fd, number, bytes->data);
  return number == VFIO_GROUP_GET_DEVICE_FD ? Opened(call, result) : Result(call, result);
}

// ioctlEach(fd, request, bytes, stride) → how many calls succeeded, one for each `stride` bytes in turn, up to the first
// that fails; or -errno if the first one fails.
napi_value IoctlEach(const Call& call) {
  int fd = call.Fd(0);
  auto request = call.Word(1);
  auto stride = call.Whole(3, 1, kMaxSafeInteger);
  auto bytes = call.Bytes(2);
  if (!request || !stride || !bytes) return Failed(call, EINVAL);
  size_t count = bytes->length / static_cast<size_t>(*stride);
  for (size_t done = 0; done < count; done++) {
    if (ioctl(fd, *request, bytes->data + done * *stride) >= 0) continue;
    return Result(call, done == 0 ? -1 : static_cast<long>(done));
  }
  return Result(call, static_cast<long>(count));
}

napi_value Pread(const Call& call) {
  int fd = call.Fd(0);
  auto offset = call.Offset(2);
  auto bytes = call.Bytes(1);
  if (!bytes || !offset) return Failed(call, EINVAL);
  return Result(call, pread(fd, bytes->data, bytes->length, *offset));
}

// preadStrided(fd, bytes, width, offset, stride) → how many reads were complete, or -errno: fills `bytes` with reads
// of `width` bytes each, the first at `offset` and each next one `stride` further. For tables of which only every
// so-many-th entry is wanted, such as pagemap's with hugepages.
napi_value PreadStrided(const Call& call) {
  auto bytes = call.Bytes(1);
  auto width = call.Whole(2, 1, kMaxSafeInteger);
  auto offset = call.Offset(3);
  auto stride = call.Offset(4);
  if (!bytes || !width || !offset || !stride) return Failed(call, EINVAL);
  int fd = call.Fd(0);
  size_t count = bytes->length / static_cast<size_t>(*width);
  size_t done = 0;
  for (off_t at = *offset; done < count; done++) {
    ssize_t got = pread(fd, bytes->data + done * *width, *width, at);
    if (got < 0) return Result(call, -1);
    if (got != static_cast<ssize_t>(*width)) break;
    // The last read has no next one, which may lie beyond all offsets.
    if (done + 1 < count && __builtin_add_overflow(at, *stride, &at)) return Failed(call, EOVERFLOW);
  }
  return Result(call, static_cast<long>(done));
}

napi_value Pwrite(const Call& call) {
  int fd = call.Fd(0);
  auto offset = call.Offset(2);
  auto bytes = call.Bytes(1);
  if (!bytes || !offset) return Failed(call, EINVAL);
  return Result(call, pwrite(fd, bytes->data, bytes->length, *offset));
}

napi_value Truncate(const Call& call) {
  auto bytes = call.Offset(1);
  if (!bytes) return Failed(call, EINVAL);
  return Result(call, ftruncate(call.Fd(0), *bytes));
}

napi_value Memfd(const Call& call) {
  auto name = call.Text(0);
  auto flags = call.Whole(1, 0, std::numeric_limits<uint32_t>::max());
  if (!name || !flags) return Failed(call, EINVAL);
  unsigned all = static_cast<unsigned>(*flags) | MFD_CLOEXEC | MFD_ALLOW_SEALING;
  return Opened(call, memfd_create(name->c_str(), all));
}

// A memory file that shrinks under a mapping makes the next access a SIGBUS, and whoever has its fd could shrink it.
napi_value SealSize(const Call& call) {
  return Result(call, fcntl(call.Fd(0), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
}

// lockHolder(fd) → { locked, pid }: whether another process has a POSIX lock on any part of the file that excludes a
// write lock. The pid is 0 for a process of a namespace that this one does not see, and -1 for a lock of an open file.
napi_value LockHolder(const Call& call) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(call.Fd(0), F_GETLK, &lock) < 0) return Result(call, -1);
  napi_env env = call.env();
  bool locked = lock.l_type != F_UNLCK;
  return NewObject(env, {{"locked", Boolean(env, locked)}, {"pid", Number(env, locked ? lock.l_pid : 0)}});
}

// { current, maximum } in bytes; Infinity for "unlimited".
napi_value MemlockLimit(const Call& call) {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0) return Result(call, -1);
  auto bytes = [&](rlim_t value) {
    bool unlimited = value == RLIM_INFINITY;
    return Number(call.env(), unlimited ? std::numeric_limits<double>::infinity() : static_cast<double>(value));
  };
  return NewObject(call.env(), {{"current", bytes(limit.rlim_cur)}, {"maximum", bytes(limit.rlim_max)}});
}

}  // namespace

bool AddFiles(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"open", Native<Open, 3>},
                       {"close", Native<Close, 1>},
                       {"dup", Native<Dup, 1>},
                       {"ioctl", Native<Ioctl, 3>},
                       {"ioctlEach", Native<IoctlEach, 4>},
                       {"pread", Native<Pread, 3>},
                       {"preadStrided", Native<PreadStrided, 5>},
                       {"pwrite", Native<Pwrite, 3>},
                       {"truncate", Native<Truncate, 2>},
                       {"memfdCreate", Native<Memfd, 2>},
                       {"sealSize", Native<SealSize, 1>},
                       {"lockHolder", Native<LockHolder, 1>},
                       {"memlockLimit", Native<MemlockLimit, 0>}});
}
