#include "owned-fds.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>
#include <utility>

namespace {

// Which file it was. Somebody may close an fd behind this table's back, and its number be another file's.
struct Owned {
  napi_env owner;
  dev_t device;
  ino_t inode;
  // Opened here, and claimed by nobody yet: its first claim need not look at it again. Should the number be another
  // file's by then, it is left alone in the end, as every such number is.
  bool is_fresh = false;
};

// Never destroyed: other threads may still be using it at exit.
std::mutex& mutex = *new std::mutex;
auto& table = *new std::unordered_map<int, Owned>;

// An fd that is none gets the file of no one.
Owned Look(napi_env owner, int fd) {
  struct stat file {};
  if (syscall(SYS_fstat, fd, &file) < 0) return {owner, 0, 0};
  return {owner, file.st_dev, file.st_ino};
}

bool IsSameFile(const Owned& owned, int fd) {
  Owned now = Look(owned.owner, fd);
  return now.device == owned.device && now.inode == owned.inode;
}

bool IsClaimedFresh(napi_env environment, int fd) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = table.find(fd);
  if (found == table.end() || found->second.owner != environment) return false;
  return std::exchange(found->second.is_fresh, false);
}

}  // namespace

void OwnFd(napi_env environment, int fd) {
  Owned owned = Look(environment, fd);
  owned.is_fresh = true;
  std::lock_guard<std::mutex> lock(mutex);
  table[fd] = owned;
}

void ClaimFd(napi_env environment, int fd) {
  if (IsClaimedFresh(environment, fd)) return;
  Owned owned = Look(environment, fd);
  std::lock_guard<std::mutex> lock(mutex);
  auto found = table.find(fd);
  bool is_others = found != table.end() && found->second.owner != environment && IsSameFile(found->second, fd);
  if (is_others) table.erase(found);
  else table[fd] = owned;
}

void DisownFd(int fd) {
  std::lock_guard<std::mutex> lock(mutex);
  table.erase(fd);
}

bool OwnsFd(napi_env environment, int fd) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = table.find(fd);
  return found != table.end() && found->second.owner == environment;
}

std::vector<int> DisownFdsOf(napi_env environment) {
  std::vector<int> closing;
  std::lock_guard<std::mutex> lock(mutex);
  for (auto entry = table.begin(); entry != table.end();) {
    bool is_its = entry->second.owner == environment;
    if (is_its && IsSameFile(entry->second, entry->first)) closing.push_back(entry->first);
    entry = is_its ? table.erase(entry) : ++entry;
  }
  return closing;
}
