#include "packets.h"


#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "owned-fds.h"

namespace {

constexpr size_t kMaxFds = 253;                    // the kernel's SCM_MAX_FD
constexpr int64_t kMaxPacket = int64_t{16} << 20;  // far above what a socket's send buffer admits

// The fds of an array; nothing if it is no array, or too long. What is no fd becomes -1, which the kernel refuses.
std::optional<std::vector<int>> FdsArg(const Call& call, size_t index) {
  napi_env env = call.env();
  uint32_t length;
  if (napi_get_array_length(env, call[index], &length) != napi_ok || length > kMaxFds) return std::nullopt;
  std::vector<int> fds;
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;  // it may be a getter, and throw
    if (napi_get_element(env, call[index], i, &element) != napi_ok) return std::nullopt;
    fds.push_back(FdOf(env, element));
  }
  return fds;
}

std::vector<int> FdsIn(msghdr* message) {
  std::vector<int> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const int* list = reinterpret_cast<const int*>(CMSG_DATA(header));
    fds.insert(fds.end(), list, list + (header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  }
  return fds;
}

napi_value NewArray(napi_env env, const std::vector<int>& fds) {
  napi_value array;
  if (napi_create_array(env, &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < fds.size(); i++) {
    napi_value fd = Number(env, fds[i]);
    if (fd == nullptr || napi_set_element(env, array, i, fd) != napi_ok) return nullptr;
  }
  return array;
}

napi_value NewBuffer(napi_env env, const void* data, size_t length) {
  napi_value buffer;
  return napi_create_buffer_copy(env, length, data, nullptr, &buffer) == napi_ok ? buffer : nullptr;
}

napi_value NewPacket(napi_env env, napi_value bytes, const std::vector<int>& fds, int flags, const sockaddr_un* from) {
  napi_value truncated = Boolean(env, (flags & (MSG_TRUNC | MSG_CTRUNC)) != 0);
  napi_value packet = NewObject(env, {{"bytes", bytes}, {"fds", NewArray(env, fds)}, {"truncated", truncated}});
  if (packet == nullptr || from == nullptr) return packet;
  size_t length = strnlen(from->sun_path, sizeof from->sun_path);
  return WithProperties(env, packet, {{"from", Text(env, from->sun_path, length)}});
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

napi_value SendPacket(const Call& call, size_t first, sockaddr_un* to) {
  auto list = FdsArg(call, first + 1);
  auto bytes = call.Bytes(first);
  if (!bytes || !list) return Failed(call, EINVAL);
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
  return Result(call, sendmsg(call.Fd(0), &message, MSG_NOSIGNAL));
}

napi_value ReceivePacket(const Call& call, sockaddr_un* from) {
  auto max_bytes = call.Whole(1, 0, kMaxPacket);
  auto max_fds = call.Whole(2, 0, kMaxFds);
  if (!max_bytes || !max_fds) return Failed(call, EINVAL);
  // malloc: where memory is short, new ends the process.
  std::unique_ptr<void, decltype(&std::free)> data(std::malloc(static_cast<size_t>(*max_bytes) + 1), &std::free);
  if (data == nullptr) return Failed(call, ENOMEM);
  std::vector<char> control(*max_fds == 0 ? 0 : CMSG_SPACE(sizeof(int) * *max_fds));
  iovec part{data.get(), static_cast<size_t>(*max_bytes)};
  msghdr message{};
  message.msg_name = from;
  message.msg_namelen = from == nullptr ? 0 : sizeof *from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  // CMSG_LEN and not CMSG_SPACE: the kernel would use the padding behind an odd number of fds for one fd more.
  message.msg_controllen = *max_fds == 0 ? 0 : CMSG_LEN(sizeof(int) * *max_fds);
  ssize_t got = recvmsg(call.Fd(0), &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return Result(call, -1);

  std::vector<int> fds = FdsIn(&message);
  napi_value bytes = NewBuffer(call.env(), data.get(), static_cast<size_t>(got));
  napi_value packet = NewPacket(call.env(), bytes, fds, message.msg_flags, from);
  // Where nobody learns of them, they are nobody's.
  for (int fd : fds) packet == nullptr ? static_cast<void>(close(fd)) : OwnFd(call.env(), fd);
  return packet;
}
