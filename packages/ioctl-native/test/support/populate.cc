// Taking a mapping's pages on a kernel that does not know MADV_POPULATE_WRITE (before Linux 5.14).
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../../native/src/mapping.h"

extern "C" int madvise(void*, size_t, int) noexcept { return errno = EINVAL, -1; }

static size_t PagesOf(int fd) {
  struct stat file;
  fstat(fd, &file);
  return static_cast<size_t>(file.st_blocks) * 512 / 4096;
}

int main(int, char** arguments) {
  bool shrunk = strcmp(arguments[1], "shrunk") == 0, reading = strcmp(arguments[1], "reading") == 0;
  int fd = memfd_create("memory", 0);
  if (ftruncate(fd, 16 * 4096) != 0) return 1;
  if (pwrite(fd, "kept", 4, 4096) != 4) return 1;
  auto mapping = MapFile({fd, 0, 16 * 4096, !reading, 0, -1, "memory"});
  if (shrunk && ftruncate(fd, 8 * 4096) != 0) return 1;
  int error = mapping->Populate();
  printf("%d %zu %.4s %d\n", error, PagesOf(fd), reinterpret_cast<char*>(mapping->address() + 4096), mapping->gone());
}
