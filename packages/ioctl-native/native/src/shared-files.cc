// A duplicate of a device's fd, which threads reach by a number that is never used again: an fd's own number could be
// another file's by the time a thread uses it. It is closed when its owner says so or ends, and then the last access
// that is on its way is over.
#include "shared-files.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <unordered_map>

#include "numbers.h"
#include "values.h"

namespace {

class File {
 public:
  explicit File(int fd) : fd(fd) {}
  ~File() { close(fd); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const int fd;
};

struct Shared {
  std::shared_ptr<File> file;
  napi_env owner;
};

// Never destroyed: other threads may still be using it at exit.
std::mutex& mutex = *new std::mutex;
auto& table = *new std::unordered_map<Id, Shared>;

std::shared_ptr<File> FileArg(const Call& call) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = table.find(IdArg(call, 0));
  return found == table.end() ? nullptr : found->second.file;
}

// shareFile(fd) → a handle, or -errno.
napi_value Share(const Call& call) {
  int fd = fcntl(call.Fd(0), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return Result(call, -1);
  std::lock_guard<std::mutex> lock(mutex);
  Id handle = NextId();
  table[handle] = {std::make_shared<File>(fd), call.env()};
  return Number(call.env(), handle);
}

// sharedFileIsOpen(handle) → whether it is.
napi_value IsOpen(const Call& call) { return Boolean(call.env(), FileArg(call) != nullptr); }

// sharedPread(handle, bytes, offset), sharedPwrite → as pread and pwrite; -EBADF once it is closed.
template <auto function>
napi_value Access(const Call& call) {
  auto file = FileArg(call);
  auto offset = call.Offset(2);
  auto bytes = call.Bytes(1);
  if (!file) return Failed(call, EBADF);
  if (!bytes || !offset) return Failed(call, EINVAL);
  return Result(call, function(file->fd, bytes->data, bytes->length, *offset));
}

// unshareFile(handle) → 0, or -EBADF.
napi_value Unshare(const Call& call) {
  std::shared_ptr<File> last;  // destroyed after the lock is free
  std::lock_guard<std::mutex> lock(mutex);
  auto found = table.find(IdArg(call, 0));
  if (found == table.end()) return Failed(call, EBADF);
  last = std::move(found->second.file);
  table.erase(found);
  return Result(call, 0);
}

}  // namespace

void UnshareFilesOf(napi_env environment) {
  std::unordered_map<Id, Shared> ended;
  std::lock_guard<std::mutex> lock(mutex);
  for (auto entry = table.begin(); entry != table.end();) {
    bool is_its = entry->second.owner == environment;
    if (is_its) ended.insert(*entry);
    entry = is_its ? table.erase(entry) : ++entry;
  }
}

bool AddSharedFiles(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"shareFile", Native<Share, 1>},
                       {"sharedFileIsOpen", Native<IsOpen, 1>},
                       {"sharedPread", Native<Access<pread>, 3>},
                       {"sharedPwrite", Native<Access<pwrite>, 3>},
                       {"unshareFile", Native<Unshare, 1>}});
}
