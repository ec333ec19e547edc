// Which environment each file descriptor belongs to. What was opened in a thread goes with it, however it ends: a VFIO
// fd that nobody knows any more keeps its device and group busy for as long as the process lives.
#pragma once

#include <vector>

#include "values.h"

// The fd was opened just now for this environment.
void OwnFd(napi_env environment, int fd);

// The environment takes an fd whose number it was told. If it is another one's, two count on it, and neither's end may
// close it: then it is nobody's.
void ClaimFd(napi_env environment, int fd);

// The fd is nobody's: it was closed, or is in the program's own care.
void DisownFd(int fd);

bool OwnsFd(napi_env environment, int fd);

// The environment has ended: its fds, which are nobody's from now on, to be closed.
std::vector<int> DisownFdsOf(napi_env environment);

// What a native function returns that has opened an fd, or failed to (-1 and errno).
inline napi_value Opened(const Call& call, int fd) {
  if (fd >= 0) OwnFd(call.env(), fd);
  return Result(call, fd);
}
