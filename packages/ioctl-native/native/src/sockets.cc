// AF_UNIX SOCK_SEQPACKET sockets that carry file descriptors (SCM_RIGHTS). All are non-blocking: waiting is
// the event loop's business.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "owned-fds.h"
#include "packets.h"

namespace {

int NewSocket() { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

// socketListen(path, backlog) → fd. The file gets mode 0600 from its first moment: bind() takes the mode of the
// socket's own inode, so it is set there before; a chmod afterwards would leave a gap.
napi_value Listen(const Call& call) {
  auto path = call.Text(0);
  auto backlog = call.Int(1);
  sockaddr_un address;
  if (int error = FillAddress(path, &address)) return Failed(call, error);
  if (!backlog || *backlog < 0) return Failed(call, EINVAL);
  int fd = NewSocket();
  if (fd < 0) return Result(call, -1);
  if (fchmod(fd, 0600) < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return Result(call, CloseKeepingErrno(fd));
  }
  if (listen(fd, *backlog) < 0) {
    int error = errno;
    unlink(address.sun_path);
    close(fd);
    return Failed(call, error);
  }
  return Opened(call, fd);
}

// On a local socket connect() never waits for accept(): it succeeds, or gives EAGAIN when the backlog is full.
napi_value Connect(const Call& call) {
  sockaddr_un address;
  if (int error = FillAddress(call.Text(0), &address)) return Failed(call, error);
  int fd = NewSocket();
  if (fd < 0) return Result(call, -1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return Result(call, CloseKeepingErrno(fd));
  }
  return Opened(call, fd);
}

napi_value Accept(const Call& call) {
  return Opened(call, accept4(call.Fd(0), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

// socketSend(fd, bytes, fds) → bytes sent or -errno. No SIGPIPE: a peer that left is EPIPE.
napi_value Send(const Call& call) { return SendPacket(call, 1, nullptr); }

// socketReceive(fd, maxBytes, maxFds) → { bytes, fds, truncated } or -errno. No bytes and no fds: the peer left.
napi_value Receive(const Call& call) { return ReceivePacket(call, nullptr); }

// socketPeer(fd) → { pid, uid, gid } of the process at the other end, as the kernel saw it at connect().
napi_value Peer(const Call& call) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(call.Fd(0), SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return Result(call, -1);
  napi_env env = call.env();
  return NewObject(env, {{"pid", Number(env, credentials.pid)},
                         {"uid", Number(env, credentials.uid)},
                         {"gid", Number(env, credentials.gid)}});
}

}  // namespace

bool AddSockets(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"socketListen", Native<Listen, 2>},
                       {"socketConnect", Native<Connect, 1>},
                       {"socketAccept", Native<Accept, 1>},
                       {"socketSend", Native<Send, 3>},
                       {"socketReceive", Native<Receive, 3>},
                       {"socketPeer", Native<Peer, 1>}});
}
