// AF_UNIX SOCK_DGRAM sockets: no connection of two ends, but a datagram from one address to another. Non-blocking.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "owned-fds.h"
#include "packets.h"

namespace {

// datagramBind(path) → fd. The file has mode 0600 from its first moment, as with socketListen.
napi_value Bind(const Call& call) {
  sockaddr_un address;
  if (int error = FillAddress(call.Text(0), &address)) return Failed(call, error);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Result(call, -1);
  if (fchmod(fd, 0600) < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return Result(call, CloseKeepingErrno(fd));
  }
  return Opened(call, fd);
}

// datagramConnect(fd, path) → 0. From then on the kernel lets nobody else send to this socket.
napi_value Connect(const Call& call) {
  sockaddr_un address;
  if (int error = FillAddress(call.Text(1), &address)) return Failed(call, error);
  return Result(call, connect(call.Fd(0), reinterpret_cast<sockaddr*>(&address), sizeof address));
}

// datagramSend(fd, path, bytes, fds) → bytes sent or -errno.
napi_value Send(const Call& call) {
  sockaddr_un address;
  if (int error = FillAddress(call.Text(1), &address)) return Failed(call, error);
  return SendPacket(call, 2, &address);
}

// datagramReceive(fd, maxBytes, maxFds) → { bytes, fds, truncated, from } or -errno. `from` is empty for a sender
// without an address, to which nothing can be answered.
napi_value Receive(const Call& call) {
  sockaddr_un from{};
  return ReceivePacket(call, &from);
}

}  // namespace

bool AddDatagrams(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"datagramBind", Native<Bind, 1>},
                       {"datagramConnect", Native<Connect, 2>},
                       {"datagramSend", Native<Send, 4>},
                       {"datagramReceive", Native<Receive, 3>}});
}
