// AF_UNIX SOCK_DGRAM sockets: no connection of two ends, but a datagram from one address to another. Non-blocking.
#include "packets.h"

namespace {

// datagramSend(fd, path, bytes, fds) → bytes sent or -errno.
napi_value Send(const Call& call) {
  sockaddr_un address;
  if (int error = FillAddress(call.Text(1), &address)) return Failed(call, error);
  return SendPacket(call, 2, &address);
}

// datagramReceive(fd, room, maxBytes, maxFds) → bytes or -errno. The address is empty for a sender without one, to which
// nothing can be answered.
napi_value Receive(const Call& call) { return ReceivePacket(call, true); }

}  // namespace

bool AddDatagrams(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"datagramSend", Native<Send, 4>},
                       {"datagramReceive", Native<Receive, 4>}});
}
