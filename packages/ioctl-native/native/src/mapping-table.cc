#include "mapping-table.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <unordered_map>

#include "owned-fds.h"

namespace {

struct Entry {
  MappingRef mapping;
  std::vector<napi_env> users;  // one as often as it joined
  size_t holds = 0;
};

struct Hold {
  Id handle;
  napi_env holder;  // nullptr: it has ended, and what relies on the memory has not
  int file;
  std::string reason;
};

// Never destroyed: at exit other threads may still be using the memory.
std::mutex& mutex = *new std::mutex;
auto& entries = *new std::unordered_map<Id, Entry>;
auto& holds = *new std::unordered_map<Id, Hold>;
size_t left_holds = 0;

// Closing takes long, so it comes when the lock is free: a mapping that is nobody's any more goes in here, which stands
// before the lock and so ends after it.
struct Closing {
  std::vector<MappingRef> mappings;

  ~Closing() {
    for (const auto& mapping : mappings) mapping->Close();
  }
};

// Takes the mapping out of the table if nobody uses or holds it.
void Sweep(Id handle, Closing* closing) {
  auto found = entries.find(handle);
  if (found == entries.end() || !found->second.users.empty() || found->second.holds > 0) return;
  closing->mappings.push_back(std::move(found->second.mapping));
  entries.erase(found);
}

void Drop(const Hold& hold) {
  auto found = entries.find(hold.handle);
  if (found != entries.end()) found->second.holds--;
  if (hold.holder == nullptr) left_holds--;
}

// Drops the holds of which this is true, and sweeps.
template <typename Test>
void DropHolds(Test test, Closing* closing) {
  for (auto hold = holds.begin(); hold != holds.end();) {
    if (!test(hold->second)) {
      hold++;
      continue;
    }
    Drop(hold->second);
    Sweep(hold->second.handle, closing);
    hold = holds.erase(hold);
  }
}

bool HasHold(Id handle, napi_env holder) {
  return std::any_of(holds.begin(), holds.end(), [&](const auto& hold) {
    return hold.second.handle == handle && hold.second.holder == holder;
  });
}

// For the sake of a file that is open in another environment.
bool OutlivesHolder(const Hold& hold) {
  return fcntl(hold.file, F_GETFD) >= 0 && !OwnsFd(hold.holder, hold.file);
}

// What an environment that ends leaves: such holds.
void LeaveHolds(napi_env environment, Closing* closing) {
  for (auto& [number, hold] : holds) {
    if (hold.holder != environment || !OutlivesHolder(hold)) continue;
    hold.holder = nullptr;
    left_holds++;
  }
  DropHolds([&](const Hold& hold) { return hold.holder == environment; }, closing);
}

}  // namespace

Id AddMapping(MappingRef mapping, napi_env user) {
  std::lock_guard<std::mutex> lock(mutex);
  Id handle = NextId();
  entries[handle] = {std::move(mapping), {user}};
  return handle;
}

MappingRef FindMapping(Id handle) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = entries.find(handle);
  return found == entries.end() ? nullptr : found->second.mapping;
}

int JoinMapping(Id handle, napi_env user) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = entries.find(handle);
  if (found == entries.end()) return EBADF;
  found->second.users.push_back(user);
  return 0;
}

int LeaveMapping(Id handle, napi_env user) {
  Closing closing;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = entries.find(handle);
  if (found == entries.end()) return 0;  // its owner has closed it for all
  if (found->second.holds > 0 && HasHold(handle, user)) return EBUSY;
  auto& users = found->second.users;
  auto use = std::find(users.begin(), users.end(), user);
  if (use != users.end()) users.erase(use);
  Sweep(handle, &closing);
  return 0;
}

int CloseMapping(Id handle) {
  MappingRef mapping;
  {
    std::lock_guard<std::mutex> lock(mutex);
    auto found = entries.find(handle);
    if (found == entries.end()) return EBADF;
    if (found->second.holds > 0) return EBUSY;
    mapping = std::move(found->second.mapping);
    entries.erase(found);
  }
  return mapping->Close();
}

Id HoldMapping(Id handle, napi_env holder, int file, std::string reason) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = entries.find(handle);
  if (found == entries.end()) return 0;
  found->second.holds++;
  Id hold = NextId();
  holds[hold] = {handle, holder, file, std::move(reason)};
  return hold;
}

void ReleaseHold(Id number) {
  Closing closing;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = holds.find(number);
  if (found == holds.end()) return;
  Drop(found->second);
  Sweep(found->second.handle, &closing);
  holds.erase(found);
}

std::vector<std::string> HoldersOf(Id handle) {
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<std::pair<Id, std::string>> found;
  for (const auto& [number, hold] : holds) {
    if (hold.handle == handle) found.emplace_back(number, hold.reason);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> reasons;
  for (auto& [number, reason] : found) {
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(std::move(reason));
  }
  return reasons;
}

void LeaveMappingsOf(napi_env environment) {
  Closing closing;
  std::lock_guard<std::mutex> lock(mutex);
  LeaveHolds(environment, &closing);
  std::vector<Id> left;
  for (auto& [handle, entry] : entries) {
    auto& users = entry.users;
    users.erase(std::remove(users.begin(), users.end(), environment), users.end());
    // The engine takes the environment's own memory away, whoever still has or holds the mapping.
    entry.mapping->TakeOut(environment);
    left.push_back(handle);
  }
  for (Id handle : left) Sweep(handle, &closing);
}

void FileIsClosed(int fd) {
  Closing closing;
  std::lock_guard<std::mutex> lock(mutex);
  if (left_holds == 0) return;
  DropHolds([&](const Hold& hold) { return hold.holder == nullptr && hold.file == fd; }, &closing);
}
