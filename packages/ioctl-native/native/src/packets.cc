#include "packets.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

namespace {

constexpr size_t kMaxFds = 253;                    // the kernel's SCM_MAX_FD
constexpr int64_t kMaxPacket = int64_t{16} << 20;  // far above what a socket's send buffer admits

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

}  // namespace

int FillAddress(const std::optional<std::string>& path, sockaddr_un* address) {
  if (!path || path->empty()) return EINVAL;
  if (path->size() >= sizeof address->sun_path) return ENAMETOOLONG;
  *address = {};
  address->sun_family = AF_UNIX;
  path->copy(address->sun_path, path->size());
  return 0;
}

int CloseKeepingErrno(int fd) {
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

Napi::Value SendPacket(const Napi::CallbackInfo& info, size_t first, sockaddr_un* to) {
  auto list = FdsArg(info, first + 1);
  auto bytes = BytesArg(info, first);
  if (!bytes || !list) return Failed(info.Env(), EINVAL);
  const std::vector<int>& fds = *list;

  iovec part{bytes->data, bytes->length};
  std::vector<char> control(CMSG_SPACE(sizeof(int) * fds.size()));
  msghdr message{};
  message.msg_name = to;
  message.msg_namelen = to == nullptr ? 0 : sizeof *to;
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

Napi::Value ReceivePacket(const Napi::CallbackInfo& info, sockaddr_un* from) {
  Napi::Env env = info.Env();
  auto max_bytes = WholeArg(info, 1, 0, kMaxPacket);
  auto max_fds = WholeArg(info, 2, 0, kMaxFds);
  if (!max_bytes || !max_fds) return Failed(env, EINVAL);
  std::vector<uint8_t> data(static_cast<size_t>(*max_bytes));
  std::vector<char> control(*max_fds == 0 ? 0 : CMSG_SPACE(sizeof(int) * *max_fds));
  iovec part{data.data(), data.size()};
  msghdr message{};
  message.msg_name = from;
  message.msg_namelen = from == nullptr ? 0 : sizeof *from;
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
