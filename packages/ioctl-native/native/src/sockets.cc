// AF_UNIX SOCK_SEQPACKET sockets that carry file descriptors (SCM_RIGHTS). All are non-blocking: waiting is
// the event loop's business.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common.h"

namespace {

constexpr size_t kMaxFds = 253;                    // the kernel's SCM_MAX_FD
constexpr int64_t kMaxPacket = int64_t{16} << 20;  // far above what a socket's send buffer admits

// The errno of a path that can't be a socket's address, or 0. An empty one would be an address chosen by the kernel.
int FillAddress(const std::optional<std::string>& path, sockaddr_un* address) {
  if (!path || path->empty()) return EINVAL;
  if (path->size() >= sizeof address->sun_path) return ENAMETOOLONG;
  *address = {};
  address->sun_family = AF_UNIX;
  path->copy(address->sun_path, path->size());
  return 0;
}

// The fds of an array; nothing if it is no array, or too long. What is no fd becomes -1, which the kernel refuses.
std::optional<std::vector<int>> FdsArg(const Napi::CallbackInfo& info, size_t index) {
  std::vector<int> fds;
  if (!info[index].IsArray()) return std::nullopt;
  auto list = info[index].As<Napi::Array>();
  if (list.Length() > kMaxFds) return std::nullopt;
  for (uint32_t i = 0; i < list.Length() && i < kMaxFds; i++) fds.push_back(FdOf(list.Get(i)));
  if (info.Env().IsExceptionPending()) return std::nullopt;  // an element was a getter that threw
  return fds;
}

int CloseKeepingErrno(int fd) {
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

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
static Napi::Value Send(const Napi::CallbackInfo& info) {
  auto list = FdsArg(info, 2);
  auto bytes = BytesArg(info, 1);
  if (!bytes || !list) return Failed(info.Env(), EINVAL);
  const std::vector<int>& fds = *list;

  iovec part{bytes->data, bytes->length};
  std::vector<char> control(CMSG_SPACE(sizeof(int) * fds.size()));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_LEN(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::copy(fds.begin(), fds.end(), reinterpret_cast<int*>(CMSG_DATA(header)));
  }
  return Result(info.Env(), sendmsg(FdArg(info, 0), &message, MSG_NOSIGNAL));
}

// socketReceive(fd, maxBytes, maxFds) → { bytes, fds, truncated } or -errno. No bytes and no fds: the peer left.
static Napi::Value Receive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto max_bytes = WholeArg(info, 1, 0, kMaxPacket);
  auto max_fds = WholeArg(info, 2, 0, kMaxFds);
  if (!max_bytes || !max_fds) return Failed(env, EINVAL);
  std::vector<uint8_t> data(static_cast<size_t>(*max_bytes));
  std::vector<char> control(*max_fds == 0 ? 0 : CMSG_SPACE(sizeof(int) * *max_fds));
  iovec part{data.data(), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  // CMSG_LEN and not CMSG_SPACE: the kernel would use the padding behind an odd number of fds for one fd more.
  message.msg_controllen = *max_fds == 0 ? 0 : CMSG_LEN(sizeof(int) * *max_fds);
  ssize_t got = recvmsg(FdArg(info, 0), &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return Result(env, -1);

  auto fds = Napi::Array::New(env);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const int* list = reinterpret_cast<const int*>(CMSG_DATA(header));
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) fds[fds.Length()] = Napi::Number::New(env, list[i]);
  }
  auto result = Napi::Object::New(env);
  result["bytes"] = Napi::Buffer<uint8_t>::Copy(env, data.data(), static_cast<size_t>(got));
  result["fds"] = fds;
  result["truncated"] = Napi::Boolean::New(env, (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0);
  return result;
}

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
