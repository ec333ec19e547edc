// AF_UNIX SOCK_DGRAM sockets: no connection of two ends, but a datagram from one address to another. Non-blocking.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "packets.h"

// datagramBind(path) → fd. The file has mode 0600 from its first moment, as with socketListen.
static Napi::Value Bind(const Napi::CallbackInfo& info) {
  sockaddr_un address;
  if (int error = FillAddress(StringArg(info, 0), &address)) return Failed(info.Env(), error);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Result(info.Env(), -1);
  if (fchmod(fd, 0600) < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return Result(info.Env(), CloseKeepingErrno(fd));
  }
  return Result(info.Env(), fd);
}

// datagramConnect(fd, path) → 0. From then on the kernel lets nobody else send to this socket.
static Napi::Value Connect(const Napi::CallbackInfo& info) {
  sockaddr_un address;
  if (int error = FillAddress(StringArg(info, 1), &address)) return Failed(info.Env(), error);
  return Result(info.Env(), connect(FdArg(info, 0), reinterpret_cast<sockaddr*>(&address), sizeof address));
}

// datagramSend(fd, path, bytes, fds) → bytes sent or -errno.
static Napi::Value Send(const Napi::CallbackInfo& info) {
  sockaddr_un address;
  if (int error = FillAddress(StringArg(info, 1), &address)) return Failed(info.Env(), error);
  return SendPacket(info, 2, &address);
}

// datagramReceive(fd, maxBytes, maxFds) → { bytes, fds, truncated, from } or -errno. `from` is empty for a sender
// without an address, to which nothing can be answered.
static Napi::Value Receive(const Napi::CallbackInfo& info) {
  sockaddr_un from{};
  Napi::Value packet = ReceivePacket(info, &from);
  if (!packet.IsObject()) return packet;
  size_t length = strnlen(from.sun_path, sizeof from.sun_path);
  packet.As<Napi::Object>()["from"] = Napi::String::New(info.Env(), from.sun_path, length);
  return packet;
}

void InitDatagrams(Napi::Env env, Napi::Object exports) {
  exports["datagramBind"] = Napi::Function::New<Bind>(env);
  exports["datagramConnect"] = Napi::Function::New<Connect>(env);
  exports["datagramSend"] = Napi::Function::New<Send>(env);
  exports["datagramReceive"] = Napi::Function::New<Receive>(env);
}
