// AF_UNIX SOCK_SEQPACKET sockets that carry file descriptors (SCM_RIGHTS). All are non-blocking: waiting is
// the event loop's business.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "owned-fds.h"
#include "packets.h"

namespace {

// socket(kind) → fd.
napi_value Socket(const Call& call) {
  auto kind = call.Text(0);
  if (kind != "seqpacket" && kind != "datagram") return Failed(call, EINVAL);
  int type = kind == "datagram" ? SOCK_DGRAM : SOCK_SEQPACKET;
  return Opened(call, socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// chmod(fd, mode) → 0: of a socket before bind(), the mode that its file will have.
napi_value Chmod(const Call& call) {
  auto mode = call.Whole(1, 0, 07777);
  return mode ? Result(call, fchmod(call.Fd(0), static_cast<mode_t>(*mode))) : Failed(call, EINVAL);
}

// One call with a path for an address → 0.
template <int (*function)(int, const sockaddr*, socklen_t)>
napi_value WithAddress(const Call& call) {
  sockaddr_un address;
  if (int error = FillAddress(call.Text(1), &address)) return Failed(call, error);
  return Result(call, function(call.Fd(0), reinterpret_cast<sockaddr*>(&address), sizeof address));
}

napi_value Listen(const Call& call) {
  auto backlog = call.Int(1);
  if (!backlog || *backlog < 0) return Failed(call, EINVAL);
  return Result(call, listen(call.Fd(0), *backlog));
}

napi_value Accept(const Call& call) {
  return Opened(call, accept4(call.Fd(0), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

// socketSend(fd, bytes, fds) → bytes sent or -errno. No SIGPIPE: a peer that left is EPIPE.
napi_value Send(const Call& call) { return SendPacket(call, 1, nullptr); }

// socketReceive(fd, room, maxBytes, maxFds) → bytes or -errno. No bytes and no fds: the peer left.
napi_value Receive(const Call& call) { return ReceivePacket(call, false); }

// socketPeer(fd, room) → 0, with pid, uid and gid of the process at the other end in the room, as the kernel saw it at
// connect().
napi_value Peer(const Call& call) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  auto room = call.Bytes(1);
  if (!room || room->length < sizeof credentials) return Failed(call, EINVAL);
  int result = getsockopt(call.Fd(0), SOL_SOCKET, SO_PEERCRED, &credentials, &length);
  if (result == 0) std::memcpy(room->data, &credentials, sizeof credentials);
  return Result(call, result);
}

}  // namespace

bool AddSockets(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"socket", Native<Socket, 1>},
                       {"chmod", Native<Chmod, 2>},
                       // On a local socket connect() never waits for accept(): it succeeds, or gives EAGAIN when the
                       // backlog is full. Of a datagram socket it lets only the other end send to this one.
                       {"socketConnect", Native<WithAddress<connect>, 2>},
                       {"socketBind", Native<WithAddress<bind>, 2>},
                       {"socketListen", Native<Listen, 2>},
                       {"socketAccept", Native<Accept, 1>},
                       {"socketSend", Native<Send, 3>},
                       {"socketReceive", Native<Receive, 4>},
                       {"socketPeer", Native<Peer, 2>}});
}
