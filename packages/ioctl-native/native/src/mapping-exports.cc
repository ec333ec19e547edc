// Mappings for JavaScript, which knows each by its number.
#include <mutex>
#include <unordered_map>

#include "async.h"
#include "mapping-functions.h"

namespace {

constexpr int kThere = 0, kDeviceGone = 1, kMemoryGone = 2;

// What the ArrayBuffers have of their mappings, by number. Of a buffer that it could not make, Node-API runs the finalizer
// at once, later, or not at all: so both sides ask for it by number, and whoever comes second finds nothing.
std::mutex& loans_mutex = *new std::mutex;
auto& loans = *new std::unordered_map<uintptr_t, MappingRef>;
uintptr_t next_loan = 1;

void* Lend(MappingRef mapping) {
  std::lock_guard<std::mutex> lock(loans_mutex);
  loans[next_loan] = std::move(mapping);
  return reinterpret_cast<void*>(next_loan++);
}

void GiveBack(void* loan) {
  MappingRef last;  // destroyed after the lock is free: that may be a long munmap
  std::lock_guard<std::mutex> lock(loans_mutex);
  auto found = loans.find(reinterpret_cast<uintptr_t>(loan));
  if (found == loans.end()) return;
  last = std::move(found->second);
  loans.erase(found);
}

// A function on the mapping whose number is the first argument; -EBADF if there is none.
template <napi_value (*function)(const Call&, MappingRef)>
napi_value WithMapping(const Call& call) {
  auto mapping = MappingArg(call, 0);
  return mapping ? function(call, std::move(mapping)) : Failed(call, EBADF);
}

napi_value Outcome(const Call& call, int error) { return error == 0 ? Result(call, 0) : Failed(call, error); }

// map(fd, offset, length, writable, address | undefined, name) → handle or -errno.
napi_value Map(const Call& call) {
  auto offset = call.Offset(1);
  auto length = call.Whole(2, 1, kMaxSafeInteger);
  bool writable = call.Flag(3);
  auto address = TypeOf(call.env(), call[4]) == napi_bigint ? call.Wide(4) : 0;
  auto name = call.Text(5);
  if (!offset || !length || !address || !name) return Failed(call, EINVAL);
  auto mapping = MapFile({call.Fd(0), *offset, static_cast<size_t>(*length), writable,
                          static_cast<uintptr_t>(*address), std::move(*name)});
  if (!mapping) return Result(call, -1);
  return Number(call.env(), AddMapping(std::move(mapping), call.env()));
}

// populate(handle) → 0 or -errno.
napi_value Populate(const Call& call, MappingRef mapping) { return Outcome(call, mapping->Populate()); }

long RunPopulate(Job& job) {
  errno = std::static_pointer_cast<Mapping>(job.keep)->Populate();
  return errno == 0 ? 0 : -1;
}

// populateAsync(handle) → a promise of 0 or -errno.
napi_value PopulateAsync(const Call& call) {
  auto mapping = MappingArg(call, 0);
  if (!mapping) return Promised(call.env(), -EBADF);
  auto* job = new Job(RunPopulate);
  job->keep = std::move(mapping);
  return Start(call.env(), job);
}

napi_value Address(const Call& call, MappingRef mapping) {
  return BigInt(call.env(), reinterpret_cast<uintptr_t>(mapping->address()));
}

napi_value Length(const Call& call, MappingRef mapping) {
  return Number(call.env(), static_cast<double>(mapping->length()));
}

// mappingGone(handle) → which of the three it is, or -EBADF.
napi_value Gone(const Call& call, MappingRef mapping) {
  if (!mapping->gone()) return Result(call, kThere);
  return Result(call, mapping->is_memory() ? kMemoryGone : kDeviceGone);
}

// mappingView(handle, offset, length) → an ArrayBuffer over a part of the mapping; its finalizer gives back one
// reference. Some builds (Electron) forbid buffers outside V8's own heap: then -ENOTSUP, and only the register accessors
// are left. An ArrayBuffer can't be read-only, and a store into a read-only mapping is a SIGSEGV: -EACCES. -EFBIG:
// longer than the engine makes them.
napi_value View(const Call& call, MappingRef mapping) {
  napi_env env = call.env();
  if (!mapping->writable()) return Failed(call, EACCES);
  auto most = static_cast<int64_t>(mapping->length());
  auto offset = call.Whole(1, 0, most);
  auto length = call.Whole(2, 0, most - offset.value_or(most));
  if (!offset || !length) return Failed(call, ERANGE);
  void* loan = Lend(mapping);
  auto release = [](napi_env, void*, void* hint) { GiveBack(hint); };
  napi_value view;
  auto made = napi_create_external_arraybuffer(env, mapping->address() + *offset, static_cast<size_t>(*length), release,
                                               loan, &view);
  if (made == napi_ok) return view;
  GiveBack(loan);
  if (made == napi_no_external_buffers_allowed) return Failed(call, ENOTSUP);
  bool thrown = false;
  // In an environment that is ending nothing is thrown, and nothing need be returned.
  if (napi_is_exception_pending(env, &thrown) != napi_ok || !thrown) return nullptr;
  return napi_get_and_clear_last_exception(env, &view) == napi_ok ? Failed(call, EFBIG) : nullptr;
}

// Once a view is detached its length is 0, reads give undefined and writes are ignored. A view that can't be detached
// was, or was transferred to another thread.
napi_value Detach(const Call& call) {
  Attempted(napi_detach_arraybuffer(call.env(), call[0]));
  return nullptr;
}

napi_value Join(const Call& call) { return Outcome(call, JoinMapping(IdArg(call, 0), call.env())); }

napi_value Leave(const Call& call) { return Outcome(call, LeaveMapping(IdArg(call, 0), call.env())); }

napi_value Unmap(const Call& call) { return Outcome(call, CloseMapping(IdArg(call, 0))); }

// holdMapping(handle, reason, fd | -1) → the hold's number, or -errno.
napi_value HoldIt(const Call& call) {
  auto reason = call.Text(1);
  if (!reason) return Failed(call, EINVAL);
  Id hold = HoldMapping(IdArg(call, 0), call.env(), call.Fd(2), std::move(*reason));
  return hold == 0 ? Failed(call, EBADF) : Number(call.env(), hold);
}

napi_value Release(const Call& call) { return ReleaseHold(IdArg(call, 0)), nullptr; }

// keepGuarding(): somebody may have replaced the handler of SIGBUS.
napi_value Keep(const Call&) { return KeepGuarding(), nullptr; }

// mappingHolders(handle) → an array of reasons.
napi_value Holders(const Call& call) {
  napi_env env = call.env();
  napi_value list;
  if (napi_create_array(env, &list) != napi_ok) return nullptr;
  uint32_t index = 0;
  for (const auto& reason : HoldersOf(IdArg(call, 0))) {
    napi_value text = Text(env, reason.data(), reason.size());
    if (text == nullptr || napi_set_element(env, list, index++, text) != napi_ok) return nullptr;
  }
  return list;
}

}  // namespace

bool AddMappings(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"map", Native<Map, 6>},
                       {"populate", Native<WithMapping<Populate>, 1>},
                       {"populateAsync", Native<PopulateAsync, 1>},
                       {"mappingAddress", Native<WithMapping<Address>, 1>},
                       {"mappingLength", Native<WithMapping<Length>, 1>},
                       {"mappingGone", Native<WithMapping<Gone>, 1>},
                       {"mappingView", Native<WithMapping<View>, 3>},
                       {"detachView", Native<Detach, 1>},
                       {"joinMapping", Native<Join, 1>},
                       {"leaveMapping", Native<Leave, 1>},
                       {"unmap", Native<Unmap, 1>},
                       {"holdMapping", Native<HoldIt, 3>},
                       {"releaseHold", Native<Release, 1>},
                       {"keepGuarding", Native<Keep, 0>},
                       {"mappingHolders", Native<Holders, 1>}});
}
