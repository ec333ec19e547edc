// A native function's arguments, and how functions are given to JavaScript.
//
// Whatever JavaScript passes, the process lives: an argument of the wrong type or range is -EINVAL, or -EBADF for an fd.
// And whatever becomes of the environment. It may be ending at any moment (a worker's terminate(), process.exit(), a
// timeout of node:vm), or have no stack left; then any call of Node-API may fail, and a native function returns nullptr,
// which JavaScript never sees, with the exception pending that there is. The compiler warns of each result of Node-API
// that nobody looks at (flags.mjs). The classes of node-addon-api end the process instead: only addon.cc can include
// them.
#pragma once

#include <node_api.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>

constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

// Where nothing depends on the result, since whatever it undoes goes with the environment.
inline void Attempted(napi_status) {}

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// A number without a fraction, below 2^53. Of its bits, for this is done for every argument: comparing and converting
// numbers takes longer, and much longer on an emulated processor.
inline std::optional<int64_t> WholeOf(double number) {
  uint64_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  if (bits << 1 == 0) return 0;
  int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  if (exponent < 0 || exponent > 52) return std::nullopt;
  uint64_t digits = (bits & ((uint64_t{1} << 52) - 1)) | uint64_t{1} << 52;
  int fraction = 52 - exponent;
  if ((digits & ((uint64_t{1} << fraction) - 1)) != 0) return std::nullopt;
  auto whole = static_cast<int64_t>(digits >> fraction);
  return bits >> 63 == 0 ? whole : -whole;
}

// A whole number from least to most. Node-API's own conversions make 0 of NaN and wrap what is too large:
// then NaN would be fd 0, and 2^32 too.
inline std::optional<int64_t> WholeNumber(napi_env env, napi_value value, int64_t least, int64_t most) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return std::nullopt;
  auto whole = WholeOf(number);
  return whole && *whole >= least && *whole <= most ? whole : std::nullopt;
}

// The kernel answers EBADF to -1.
inline int FdOf(napi_env env, napi_value value) {
  return static_cast<int>(WholeNumber(env, value, 0, std::numeric_limits<int>::max()).value_or(-1));
}

inline napi_valuetype TypeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok ? type : napi_undefined;
}

// The memory of a Uint8Array. Must be asked for last: no JavaScript may run between this and the use of the memory, for it
// could detach it.
inline std::optional<Bytes> BytesOf(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  auto status = napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_uint8_array) return std::nullopt;
  return {{static_cast<uint8_t*>(data), length}};
}

// One call of a native function. Each question about an argument has no answer for one of another kind.
class Call {
 public:
  static constexpr size_t kMost = 8;

  // Looks at `count` arguments, at most kMost; those that were left out are undefined.
  Call(napi_env env, napi_callback_info info, size_t count) : env_(env) {
    if (napi_get_cb_info(env, info, &count, arguments_, nullptr, &data_) != napi_ok) data_ = nullptr;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  napi_env env() const { return env_; }
  napi_value operator[](size_t index) const { return arguments_[index]; }
  // What AddFunction was given.
  template <typename T>
  T& data() const {
    return *static_cast<T*>(data_);
  }

  std::optional<int64_t> Whole(size_t index, int64_t least, int64_t most) const {
    return WholeNumber(env_, arguments_[index], least, most);
  }
  int Fd(size_t index) const { return FdOf(env_, arguments_[index]); }
  std::optional<int> Int(size_t index) const {
    auto whole = Whole(index, std::numeric_limits<int>::min(), std::numeric_limits<int>::max());
    return whole ? std::optional<int>(static_cast<int>(*whole)) : std::nullopt;
  }
  // 32 bits; signed numbers are taken too, since JavaScript's bit operators make them.
  std::optional<uint32_t> Word(size_t index) const {
    auto whole = Whole(index, std::numeric_limits<int32_t>::min(), std::numeric_limits<uint32_t>::max());
    return whole ? std::optional<uint32_t>(static_cast<uint32_t>(*whole)) : std::nullopt;
  }
  // File offsets exceed 32 bits (VFIO regions lie at index << 40), and a double holds them exactly.
  std::optional<int64_t> Offset(size_t index) const { return Whole(index, 0, kMaxSafeInteger); }
  // Integers that JavaScript has checked. Node-API takes them as they are, without making a double of them first; what
  // nobody checked it wraps, cuts or makes 0.
  std::optional<int32_t> Checked32(size_t index) const {
    int32_t value;
    return napi_get_value_int32(env_, arguments_[index], &value) == napi_ok ? std::optional(value) : std::nullopt;
  }
  std::optional<int64_t> Checked64(size_t index) const {
    int64_t value;
    return napi_get_value_int64(env_, arguments_[index], &value) == napi_ok ? std::optional(value) : std::nullopt;
  }
  // A bigint from 0 to 2^64 - 1.
  std::optional<uint64_t> Wide(size_t index) const;
  // What JavaScript takes for true.
  bool Flag(size_t index) const;
  // A path or name. One with a NUL in it would be cut short there, or be an abstract socket's.
  std::optional<std::string> Text(size_t index) const;
  // As BytesOf: to be asked for last.
  std::optional<struct Bytes> Bytes(size_t index) const { return BytesOf(env_, arguments_[index]); }

 private:
  napi_env env_;
  void* data_ = nullptr;
  napi_value arguments_[kMost];
};

// A native function with so many arguments, as Node-API calls it.
template <napi_value (*function)(const Call&), size_t count>
napi_value Native(napi_env env, napi_callback_info info) {
  static_assert(count <= Call::kMost);
  return function(Call(env, info, count));
}

struct NativeFunction {
  const char* name;
  napi_callback callback;
};

// Both give an object its functions; false if that can't be done.
bool AddFunction(napi_env env, napi_value object, const NativeFunction& function, void* data, napi_finalize release);
bool AddFunctions(napi_env env, napi_value object, std::initializer_list<NativeFunction> functions);

// The exports of one file each.
bool AddAsync(napi_env env, napi_value exports);
bool AddDatagrams(napi_env env, napi_value exports);
bool AddEventfds(napi_env env, napi_value exports);
bool AddEnvironment(napi_env env, napi_value exports);
bool AddFiles(napi_env env, napi_value exports);
bool AddMappings(napi_env env, napi_value exports);
bool AddMemory(napi_env env, napi_value exports);
bool AddRegisters(napi_env env, napi_value exports);
bool AddBulkRegisters(napi_env env, napi_value exports);
bool AddReadiness(napi_env env, napi_value exports);
bool AddSharedFiles(napi_env env, napi_value exports);
bool AddSockets(napi_env env, napi_value exports);
bool AddWatchers(napi_env env, napi_value exports);
