// AF_UNIX SOCK_SEQPACKET sockets that carry file descriptors (SCM_RIGHTS). All are non-blocking: waiting is
// the event loop's business.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "packets.h"

namespace {

int NewSocket() { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

}  // namespace

// socketListen(path, backlog) → fd. The file gets mode 0600 from its first moment: bind() takes the mode of the
// socket's own inode, so it is set there before; a chmod afterwards would leave a gap.
static Napi::Value Listen(const Napi::CallbackInfo& info) {
  auto path = StringArg(info, 0);
  auto backlog = IntArg(info, 1);
  sockaddr_un address;
  if (int error = FillAddress(path, &address)) return Failed(info.Env(), error);
  if (!backlog || *backlog < 0) return Failed(info.Env(), EINVAL);
  int fd = NewSocket();
  if (fd < 0) return Result(info.Env(), -1);
  if (fchmod(fd, 0600) < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return Result(info.Env(), CloseKeepingErrno(fd));
  }
  if (listen(fd, *backlog) < 0) {
    int error = errno;
    unlink(address.sun_path);
    close(fd);
    return Failed(info.Env(), error);
  }
  return Result(info.Env(), fd);
}

// On a local socket connect() never waits for accept(): it succeeds, or gives EAGAIN when the backlog is full.
static Napi::Value Connect(const Napi::CallbackInfo& info) {
  sockaddr_un address;
  if (int error = FillAddress(StringArg(info, 0), &address)) return Failed(info.Env(), error);
  int fd = NewSocket();
  if (fd < 0) return Result(info.Env(), -1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return Result(info.Env(), CloseKeepingErrno(fd));
  }
  return Result(info.Env(), fd);
}

static Napi::Value Accept(const Napi::CallbackInfo& info) {
  return Result(info.Env(), accept4(FdArg(info, 0), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

// socketSend(fd, bytes, fds) → bytes sent or -errno. No SIGPIPE: a peer that left is EPIPE.
static Napi::Value Send(const Napi::CallbackInfo& info) { return SendPacket(info, 1, nullptr); }

// socketReceive(fd, maxBytes, maxFds) → { bytes, fds, truncated } or -errno. No bytes and no fds: the peer left.
static Napi::Value Receive(const Napi::CallbackInfo& info) { return ReceivePacket(info, nullptr); }

// socketPeer(fd) → { pid, uid, gid } of the process at the other end, as the kernel saw it at connect().
static Napi::Value Peer(const Napi::CallbackInfo& info) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(FdArg(info, 0), SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return Result(info.Env(), -1);
  auto result = Napi::Object::New(info.Env());
  result["pid"] = static_cast<double>(credentials.pid);
  result["uid"] = static_cast<double>(credentials.uid);
  result["gid"] = static_cast<double>(credentials.gid);
  return result;
}

void InitSockets(Napi::Env env, Napi::Object exports) {
  exports["socketListen"] = Napi::Function::New<Listen>(env);
  exports["socketConnect"] = Napi::Function::New<Connect>(env);
  exports["socketAccept"] = Napi::Function::New<Accept>(env);
  exports["socketSend"] = Napi::Function::New<Send>(env);
  exports["socketReceive"] = Napi::Function::New<Receive>(env);
  exports["socketPeer"] = Napi::Function::New<Peer>(env);
}
