#include "packets.h"

#include <cstring>

#include "owned-fds.h"

namespace {

constexpr size_t kMaxFds = 253;                    // the kernel's SCM_MAX_FD
constexpr int64_t kMaxPacket = int64_t{16} << 20;  // far above what a socket's send buffer admits

struct FdList {
  size_t count = 0;
  int fds[kMaxFds];
};

// The fds of an array; false if it is no array, or too long. What is no fd becomes -1, which the kernel refuses.
bool FdsArg(const Call& call, size_t index, FdList* list) {
  napi_env env = call.env();
  uint32_t length;
  if (napi_get_array_length(env, call[index], &length) != napi_ok || length > kMaxFds) return false;
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;  // it may be a getter, and throw
    if (napi_get_element(env, call[index], i, &element) != napi_ok) return false;
    list->fds[list->count++] = FdOf(env, element);
  }
  return true;
}

// What ReceivePacket fills; the packet's bytes lie behind it.
struct Room {
  int32_t truncated;
  int32_t count;
  int32_t fds[kMaxFds];
  int32_t address_length;
  char address[sizeof(sockaddr_un::sun_path)];
};

// The fds that came, for the environment's care.
void TakeFds(napi_env env, msghdr* message, Room* room) {
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t bytes = header->cmsg_len - CMSG_LEN(0);
    std::memcpy(room->fds + room->count, CMSG_DATA(header), bytes);
    room->count += static_cast<int32_t>(bytes / sizeof(int));
  }
  for (int32_t i = 0; i < room->count; i++) OwnFd(env, room->fds[i]);
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
  FdList list;
  if (!FdsArg(call, first + 1, &list)) return Failed(call, EINVAL);
  auto bytes = call.Bytes(first);
  if (!bytes) return Failed(call, EINVAL);

  iovec part{bytes->data, bytes->length};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  size_t size = sizeof(int) * list.count;
  msghdr message{};
  message.msg_name = to;
  message.msg_namelen = to == nullptr ? 0 : sizeof *to;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (list.count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_LEN(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), list.fds, size);
  }
  return Result(call, sendmsg(call.Fd(0), &message, MSG_NOSIGNAL));
}

napi_value ReceivePacket(const Call& call, bool with_address) {
  auto max_bytes = call.Whole(2, 0, kMaxPacket);
  auto max_fds = call.Whole(3, 0, kMaxFds);
  auto target = call.Bytes(1);
  if (!max_bytes || !max_fds || !target) return Failed(call, EINVAL);
  if (target->length < sizeof(Room) + static_cast<size_t>(*max_bytes)) return Failed(call, EINVAL);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  sockaddr_un from{};
  iovec part{target->data + sizeof(Room), static_cast<size_t>(*max_bytes)};
  msghdr message{};
  message.msg_name = with_address ? &from : nullptr;
  message.msg_namelen = with_address ? sizeof from : 0;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  // CMSG_LEN and not CMSG_SPACE: the kernel would use the padding behind an odd number of fds for one fd more.
  message.msg_controllen = *max_fds == 0 ? 0 : CMSG_LEN(sizeof(int) * *max_fds);
  ssize_t got = recvmsg(call.Fd(0), &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return Result(call, -1);

  auto* room = reinterpret_cast<Room*>(target->data);
  room->truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  room->count = 0;
  room->address_length = static_cast<int32_t>(strnlen(from.sun_path, sizeof from.sun_path));
  std::memcpy(room->address, from.sun_path, sizeof from.sun_path);
  TakeFds(call.env(), &message, room);
  return Result(call, got);
}
