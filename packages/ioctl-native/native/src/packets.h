// What all kinds of local sockets share: addresses, and packets that carry file descriptors (SCM_RIGHTS).
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "values.h"

// The errno of a path that can't be a socket's address, or 0. An empty one would be an address chosen by the kernel.
int FillAddress(const std::optional<std::string>& path, sockaddr_un* address);

// sendmsg(fd = argument 0, bytes = argument `first`, fds = the one after it), to an address if there is one.
napi_value SendPacket(const Call& call, size_t first, sockaddr_un* to);

// recvmsg(fd, room, maxBytes, maxFds) → how many bytes came. The packet is written into the room, a Uint8Array: objects
// made here would cost more than the call. packet-room.ts knows what lies where.
napi_value ReceivePacket(const Call& call, bool with_address);
