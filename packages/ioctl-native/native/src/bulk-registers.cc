// What is done to registers many at a time or again and again: blocks, both halves of 64 bits, polling.
//
// Each element is one volatile access of exactly its width, in order. A memcpy would choose widths of its own.
#include <chrono>
#include <cstring>
#include <type_traits>

#include "barriers.h"
#include "mapping-functions.h"

namespace {

using Clock = std::chrono::steady_clock;

// The elements of a Uint8Array, Uint16Array, Uint32Array or BigUint64Array; width 0 for anything else. Must be asked
// for last, as Call::Bytes.
struct Elements {
  void* data = nullptr;
  size_t count = 0;
  size_t width = 0;
};

size_t WidthOf(napi_typedarray_type type) {
  if (type == napi_uint8_array) return 1;
  if (type == napi_uint16_array) return 2;
  if (type == napi_uint32_array) return 4;
  return type == napi_biguint64_array ? 8 : 0;
}

Elements ElementsArg(const Call& call, size_t index) {
  Elements elements;
  napi_typedarray_type type;
  auto status =
      napi_get_typedarray_info(call.env(), call[index], &type, &elements.count, &elements.data, nullptr, nullptr);
  if (status == napi_ok) elements.width = WidthOf(type);
  return elements;
}

// The address of `bytes` bytes of registers of this width, at the offset that is the first argument; or nullptr, and
// errno says why.
template <typename T>
volatile T* Locate(const Call& call, size_t bytes) {
  const MappingPart& part = call.data<MappingPart>();
  bool closed = part.mapping->closed();
  errno = closed ? EBADF : ERANGE;
  double at;
  if (napi_get_value_double(call.env(), call[0], &at) != napi_ok) return nullptr;
  // Written so that NaN fails it too.
  if (closed || bytes > part.length || !(at >= 0 && at <= part.length - bytes)) return nullptr;
  auto whole = static_cast<size_t>(at);
  if (static_cast<double>(whole) != at || whole % sizeof(T) != 0) return nullptr;
  return reinterpret_cast<volatile T*>(part.address() + whole);
}

// After the accesses: 0, or -1 and ENODEV if memory of the mapping went away, by then or before.
long Outcome(const Call& call) {
  errno = ENODEV;
  return call.data<MappingPart>().mapping->gone() ? -1 : 0;
}

bool IsWritable(const Call& call) { return call.data<MappingPart>().mapping->writable(); }

// Calls `use` with a null pointer of the type that has this width: C++17 has no templated lambdas.
template <typename Use>
long WithWidth(size_t width, Use use) {
  if (width == 1) return use(static_cast<uint8_t*>(nullptr));
  if (width == 2) return use(static_cast<uint16_t*>(nullptr));
  if (width == 4) return use(static_cast<uint32_t*>(nullptr));
  if (width == 8) return use(static_cast<uint64_t*>(nullptr));
  errno = EINVAL;
  return -1;
}

// Two registers to a store: a processor does one store for two loads at a time, so that the stores were what took time.
size_t LoadPairs(const volatile uint32_t* from, uint32_t* to, size_t count) {
  size_t i = 0;
#pragma GCC unroll 4
  for (; i + 1 < count; i += 2) {
    uint64_t low = from[i];
    uint64_t both = low | static_cast<uint64_t>(from[i + 1]) << 32;
    std::memcpy(to + i, &both, sizeof both);
  }
  return i;
}

// Unrolled: the loop's own counting would take longer than its loads and stores.
template <typename T>
void LoadEach(const volatile T* from, bool fixed, T* to, size_t count) {
  if (fixed) {
    for (size_t i = 0; i < count; i++) to[i] = *from;
    return;
  }
  size_t i = 0;
  if constexpr (std::is_same_v<T, uint32_t>) i = LoadPairs(from, to, count);
#pragma GCC unroll 8
  for (; i < count; i++) to[i] = from[i];
}

template <typename T>
void StoreEach(volatile T* to, bool fixed, const T* from, size_t count) {
  if (fixed) {
    for (size_t i = 0; i < count; i++) *to = from[i];
    return;
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) to[i] = from[i];
}

// readBlock(offset, array, fixed) → 0 or -errno. Fixed: every element is read at the same offset, as of a FIFO.
napi_value ReadBlock(const Call& call) {
  bool fixed = call.Flag(2);
  Elements to = ElementsArg(call, 1);
  return Result(call, WithWidth(to.width, [&](auto* type) -> long {
                  using T = std::remove_pointer_t<decltype(type)>;
                  volatile T* from = Locate<T>(call, fixed ? sizeof(T) : to.count * sizeof(T));
                  if (from == nullptr) return -1;
                  LoadEach(from, fixed, static_cast<T*>(to.data), to.count);
                  AfterLoad();
                  return Outcome(call);
                }));
}

// writeBlock(offset, array, fixed) → 0 or -errno.
napi_value WriteBlock(const Call& call) {
  if (!IsWritable(call)) return Failed(call, EACCES);
  bool fixed = call.Flag(2);
  Elements from = ElementsArg(call, 1);
  return Result(call, WithWidth(from.width, [&](auto* type) -> long {
                  using T = std::remove_pointer_t<decltype(type)>;
                  volatile T* to = Locate<T>(call, fixed ? sizeof(T) : from.count * sizeof(T));
                  if (to == nullptr) return -1;
                  BeforeStore();
                  StoreEach(to, fixed, static_cast<const T*>(from.data), from.count);
                  return Outcome(call);
                }));
}

// readHalves(offset, uint32Array) → 0 or -errno: one 64-bit load, the lower half first.
napi_value ReadHalves(const Call& call) {
  Elements to = ElementsArg(call, 1);
  if (to.width != 4 || to.count < 2) return Failed(call, EINVAL);
  volatile uint64_t* address = Locate<uint64_t>(call, 8);
  if (address == nullptr) return Result(call, -1);
  uint64_t value = *address;
  AfterLoad();
  static_cast<uint32_t*>(to.data)[0] = static_cast<uint32_t>(value);
  static_cast<uint32_t*>(to.data)[1] = static_cast<uint32_t>(value >> 32);
  return Result(call, Outcome(call));
}

// writeHalves(offset, low, high) → 0 or -errno: one 64-bit store.
napi_value WriteHalves(const Call& call) {
  if (!IsWritable(call)) return Failed(call, EACCES);
  auto low = call.Word(1);
  auto high = call.Word(2);
  if (!low || !high) return Failed(call, EINVAL);
  volatile uint64_t* address = Locate<uint64_t>(call, 8);
  if (address == nullptr) return Result(call, -1);
  BeforeStore();
  *address = static_cast<uint64_t>(*high) << 32 | *low;
  return Result(call, Outcome(call));
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A number of 32 bits, or a bigint of 64.
std::optional<uint64_t> BitsArg(const Call& call, size_t index) {
  auto word = call.Word(index);
  return word ? std::optional<uint64_t>(*word) : call.Wide(index);
}

// Loads until the bits under the mask have the wanted value, or the time is up, at least once. The last value loaded.
// Another thread may close the mapping meanwhile: then zeroes lie there, and the next look at `closed` ends it.
template <typename T>
napi_value Poll(const Call& call, T mask, T wanted, Clock::duration limit) {
  const Mapping& mapping = *call.data<MappingPart>().mapping;
  volatile T* address = Locate<T>(call, sizeof(T));
  if (address == nullptr) return Result(call, -1);
  auto end = Clock::now() + limit;
  T value = *address;
  while ((value & mask) != wanted && Clock::now() < end && !mapping.closed()) {
    Pause();
    value = *address;
  }
  AfterLoad();
  if (mapping.closed()) return Failed(call, EBADF);
  if (mapping.gone()) return Failed(call, ENODEV);
  if constexpr (sizeof(T) == 8) return BigInt(call.env(), value);
  return Number(call.env(), static_cast<double>(value));
}

// poll(offset, width, mask, wanted, microseconds) → the last value, a bigint for width 8; or -errno.
napi_value PollSlice(const Call& call) {
  auto width = call.Whole(1, 1, 8);
  auto mask = BitsArg(call, 2);
  auto wanted = BitsArg(call, 3);
  auto limit = call.Whole(4, 0, 1ll << 40);
  if (!width || !mask || !wanted || !limit) return Failed(call, EINVAL);
  auto time = std::chrono::microseconds(*limit);
  napi_value last = Failed(call, EINVAL);
  WithWidth(static_cast<size_t>(*width), [&](auto* type) -> long {
    using T = std::remove_pointer_t<decltype(type)>;
    if (static_cast<T>(*mask) != *mask || static_cast<T>(*wanted) != *wanted) return 0;
    last = Poll<T>(call, static_cast<T>(*mask), static_cast<T>(*wanted), time);
    return 0;
  });
  return last;
}

// bulkRegisters(handle, offset?, length?) → { readBlock, …, poll } on that mapping or part of it; or -EBADF, -ERANGE.
napi_value BulkRegisters(const Call& call) {
  auto part = MappingPartArg(call);
  if (!part) return Result(call, -1);
  napi_value result = NewObject(call.env(), {});
  bool complete = result != nullptr && AddFunctionsOn(*part, call.env(), result,
                                                      {{"readBlock", Native<ReadBlock, 3>},
                                                       {"writeBlock", Native<WriteBlock, 3>},
                                                       {"readHalves", Native<ReadHalves, 2>},
                                                       {"writeHalves", Native<WriteHalves, 3>},
                                                       {"poll", Native<PollSlice, 5>}});
  return complete ? result : nullptr;
}

}  // namespace

bool AddBulkRegisters(napi_env env, napi_value exports) {
  return AddFunctions(env, exports, {{"bulkRegisters", Native<BulkRegisters, 3>}});
}
