// What is done to registers many at a time or again and again: blocks, both halves of 64 bits, polling.
//
// Each element is one volatile access of exactly its width, in order. A memcpy would choose widths of its own.
#include <chrono>
#include <memory>

#include "common.h"
#include "mapping.h"

namespace {

using MappingRef = std::shared_ptr<Mapping>;
using Clock = std::chrono::steady_clock;

// The elements of a Uint8Array, Uint16Array, Uint32Array or BigUint64Array; width 0 for anything else. Must be asked
// for last, as BytesArg.
struct Elements {
  void* data = nullptr;
  size_t count = 0;
  size_t width = 0;
};

size_t WidthOf(napi_typedarray_type type) {
  switch (type) {
    case napi_uint8_array:
      return 1;
    case napi_uint16_array:
      return 2;
    case napi_uint32_array:
      return 4;
    case napi_biguint64_array:
      return 8;
    default:
      return 0;
  }
}

Elements ElementsArg(const Napi::CallbackInfo& info, size_t index) {
  Elements elements;
  napi_typedarray_type type;
  napi_status status = napi_get_typedarray_info(info.Env(), info[index], &type, &elements.count, &elements.data, nullptr,
                                                nullptr);
  if (status == napi_ok) elements.width = WidthOf(type);
  return elements;
}

// The address of `bytes` bytes of registers of this width; or nullptr, and errno says why.
template <typename T>
volatile T* Locate(const Mapping& mapping, const Napi::Value& offset, size_t bytes) {
  errno = mapping.closed() ? EBADF : ERANGE;
  double at = -1;
  napi_get_value_double(offset.Env(), offset, &at);
  // Written so that NaN fails it too.
  if (mapping.closed() || bytes > mapping.length() || !(at >= 0 && at <= mapping.length() - bytes)) return nullptr;
  auto whole = static_cast<size_t>(at);
  if (static_cast<double>(whole) != at || whole % sizeof(T) != 0) return nullptr;
  return reinterpret_cast<volatile T*>(mapping.address() + whole);
}

// Calls `use` with a null pointer of the type that has this width: C++17 has no templated lambdas.
template <typename Use>
long WithWidth(size_t width, Use use) {
  switch (width) {
    case 1:
      return use(static_cast<uint8_t*>(nullptr));
    case 2:
      return use(static_cast<uint16_t*>(nullptr));
    case 4:
      return use(static_cast<uint32_t*>(nullptr));
    case 8:
      return use(static_cast<uint64_t*>(nullptr));
    default:
      errno = EINVAL;
      return -1;
  }
}

// readBlock(offset, array, fixed) → 0 or -errno. Fixed: every element is read at the same offset, as of a FIFO.
Napi::Value ReadBlock(const Mapping& mapping, const Napi::CallbackInfo& info) {
  bool fixed = info[2].ToBoolean();
  Elements to = ElementsArg(info, 1);
  return Result(info.Env(), WithWidth(to.width, [&](auto* type) -> long {
                  using T = std::remove_pointer_t<decltype(type)>;
                  volatile T* from = Locate<T>(mapping, info[0], fixed ? sizeof(T) : to.count * sizeof(T));
                  if (from == nullptr) return -1;
                  auto* elements = static_cast<T*>(to.data);
                  for (size_t i = 0, step = fixed ? 0 : 1; i < to.count; i++, from += step) elements[i] = *from;
                  return 0;
                }));
}

// writeBlock(offset, array, fixed) → 0 or -errno.
Napi::Value WriteBlock(const Mapping& mapping, const Napi::CallbackInfo& info) {
  if (!mapping.writable()) return Failed(info.Env(), EACCES);
  bool fixed = info[2].ToBoolean();
  Elements from = ElementsArg(info, 1);
  return Result(info.Env(), WithWidth(from.width, [&](auto* type) -> long {
                  using T = std::remove_pointer_t<decltype(type)>;
                  volatile T* to = Locate<T>(mapping, info[0], fixed ? sizeof(T) : from.count * sizeof(T));
                  if (to == nullptr) return -1;
                  auto* elements = static_cast<const T*>(from.data);
                  for (size_t i = 0, step = fixed ? 0 : 1; i < from.count; i++, to += step) *to = elements[i];
                  return 0;
                }));
}

// readHalves(offset, uint32Array) → 0 or -errno: one 64-bit load, the lower half first.
Napi::Value ReadHalves(const Mapping& mapping, const Napi::CallbackInfo& info) {
  Elements to = ElementsArg(info, 1);
  if (to.width != 4 || to.count < 2) return Failed(info.Env(), EINVAL);
  volatile uint64_t* address = Locate<uint64_t>(mapping, info[0], 8);
  if (address == nullptr) return Result(info.Env(), -1);
  uint64_t value = *address;
  static_cast<uint32_t*>(to.data)[0] = static_cast<uint32_t>(value);
  static_cast<uint32_t*>(to.data)[1] = static_cast<uint32_t>(value >> 32);
  return Napi::Number::New(info.Env(), 0);
}

// Signed numbers are taken too: JavaScript's bit operators make them.
std::optional<uint32_t> HalfArg(const Napi::CallbackInfo& info, size_t index) {
  auto whole = WholeArg(info, index, std::numeric_limits<int32_t>::min(), std::numeric_limits<uint32_t>::max());
  return whole ? std::optional<uint32_t>(static_cast<uint32_t>(*whole)) : std::nullopt;
}

// writeHalves(offset, low, high) → 0 or -errno: one 64-bit store.
Napi::Value WriteHalves(const Mapping& mapping, const Napi::CallbackInfo& info) {
  if (!mapping.writable()) return Failed(info.Env(), EACCES);
  auto low = HalfArg(info, 1);
  auto high = HalfArg(info, 2);
  if (!low || !high) return Failed(info.Env(), EINVAL);
  volatile uint64_t* address = Locate<uint64_t>(mapping, info[0], 8);
  if (address == nullptr) return Result(info.Env(), -1);
  *address = static_cast<uint64_t>(*high) << 32 | *low;
  return Napi::Number::New(info.Env(), 0);
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A number, or a bigint of 64 bits.
std::optional<uint64_t> WideArg(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsBigInt()) {
    auto half = HalfArg(info, index);
    return half ? std::optional<uint64_t>(*half) : std::nullopt;
  }
  bool lossless = false;
  uint64_t value = info[index].As<Napi::BigInt>().Uint64Value(&lossless);
  return lossless ? std::optional<uint64_t>(value) : std::nullopt;
}

// Loads until the bits under the mask have the wanted value, or the time is up, at least once. The last value loaded.
// Another thread may close the mapping meanwhile: then zeroes lie there, and the next look at `closed` ends it.
template <typename T>
Napi::Value Poll(const Mapping& mapping, const Napi::CallbackInfo& info, T mask, T wanted, Clock::duration limit) {
  volatile T* address = Locate<T>(mapping, info[0], sizeof(T));
  if (address == nullptr) return Result(info.Env(), -1);
  auto end = Clock::now() + limit;
  T value = *address;
  while ((value & mask) != wanted && Clock::now() < end && !mapping.closed()) {
    Pause();
    value = *address;
  }
  if (mapping.closed()) return Failed(info.Env(), EBADF);
  if constexpr (sizeof(T) == 8) return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(value));
  return Napi::Number::New(info.Env(), static_cast<double>(value));
}

// poll(offset, width, mask, wanted, microseconds) → the last value, a bigint for width 8; or -errno.
Napi::Value PollSlice(const Mapping& mapping, const Napi::CallbackInfo& info) {
  auto width = WholeArg(info, 1, 1, 8);
  auto mask = WideArg(info, 2);
  auto wanted = WideArg(info, 3);
  auto limit = WholeArg(info, 4, 0, 1ll << 40);
  if (!width || !mask || !wanted || !limit) return Failed(info.Env(), EINVAL);
  auto time = std::chrono::microseconds(*limit);
  Napi::Value last = Failed(info.Env(), EINVAL);
  WithWidth(static_cast<size_t>(*width), [&](auto* type) -> long {
    using T = std::remove_pointer_t<decltype(type)>;
    if (static_cast<T>(*mask) != *mask || static_cast<T>(*wanted) != *wanted) return 0;
    last = Poll<T>(mapping, info, static_cast<T>(*mask), static_cast<T>(*wanted), time);
    return 0;
  });
  return last;
}

template <typename Use>
void AddFunction(Napi::Object target, const char* name, const MappingRef& mapping, Use use) {
  target[name] = Napi::Function::New(
      target.Env(), [mapping, use](const Napi::CallbackInfo& info) { return use(*mapping, info); }, name);
}

}  // namespace

// bulkRegisters(handle) → { readBlock, …, poll } on that mapping, or -EBADF.
static Napi::Value BulkRegisters(const Napi::CallbackInfo& info) {
  auto handle = WholeArg(info, 0, 1, std::numeric_limits<uint32_t>::max());
  auto mapping = FindMapping(static_cast<uint32_t>(handle.value_or(0)));
  if (!mapping) return Failed(info.Env(), EBADF);
  auto result = Napi::Object::New(info.Env());
  AddFunction(result, "readBlock", mapping, ReadBlock);
  AddFunction(result, "writeBlock", mapping, WriteBlock);
  AddFunction(result, "readHalves", mapping, ReadHalves);
  AddFunction(result, "writeHalves", mapping, WriteHalves);
  AddFunction(result, "poll", mapping, PollSlice);
  return result;
}

void InitBulkRegisters(Napi::Env env, Napi::Object exports) {
  exports["bulkRegisters"] = Napi::Function::New<BulkRegisters>(env);
}
