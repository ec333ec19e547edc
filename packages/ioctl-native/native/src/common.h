// Conventions of this addon: a native function returns what the system call returned, or -errno.
// It never throws for a failed system call: the TypeScript above it knows what the call was about.
// Whatever JavaScript passes, the process lives: an argument of the wrong type or range is -EINVAL, or -EBADF for an fd.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

inline Napi::Value Result(Napi::Env env, long result) {
  return Napi::Number::New(env, result < 0 ? -errno : static_cast<double>(result));
}

inline Napi::Value Failed(Napi::Env env, int error) { return Napi::Number::New(env, -error); }

// A whole number from least to most. Node-API's own conversions make 0 of NaN and wrap what is too large:
// then NaN would be fd 0, and 2^32 too.
inline std::optional<int64_t> WholeNumber(const Napi::Value& value, int64_t least, int64_t most) {
  if (value.IsEmpty() || !value.IsNumber()) return std::nullopt;
  double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most))) return std::nullopt;
  auto whole = static_cast<int64_t>(number);
  if (static_cast<double>(whole) != number) return std::nullopt;
  return whole;
}

inline std::optional<int64_t> WholeArg(const Napi::CallbackInfo& info, size_t index, int64_t least, int64_t most) {
  return WholeNumber(info[index], least, most);
}

// The kernel answers EBADF to -1.
inline int FdOf(const Napi::Value& value) {
  return static_cast<int>(WholeNumber(value, 0, std::numeric_limits<int>::max()).value_or(-1));
}

inline int FdArg(const Napi::CallbackInfo& info, size_t index) { return FdOf(info[index]); }

inline std::optional<int> IntArg(const Napi::CallbackInfo& info, size_t index) {
  auto whole = WholeArg(info, index, std::numeric_limits<int>::min(), std::numeric_limits<int>::max());
  return whole ? std::optional<int>(static_cast<int>(*whole)) : std::nullopt;
}

// File offsets exceed 32 bits (VFIO regions lie at index << 40), and a double holds them exactly.
inline std::optional<int64_t> OffsetArg(const Napi::CallbackInfo& info, size_t index) {
  return WholeArg(info, index, 0, kMaxSafeInteger);
}

// A path or name. One with a NUL in it would be cut short there, or be an abstract socket's.
inline std::optional<std::string> StringArg(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) return std::nullopt;
  std::string text = info[index].As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// The memory of a Uint8Array argument; nothing for anything else. Must be asked for last: no JavaScript may run
// between this and the use of the memory, for it could detach it.
inline std::optional<Bytes> BytesOf(const Napi::Value& value) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return std::nullopt;
  }
  return Bytes{static_cast<uint8_t*>(data), length};
}

inline std::optional<Bytes> BytesArg(const Napi::CallbackInfo& info, size_t index) { return BytesOf(info[index]); }

// A function that takes its arguments from Node-API itself: a call costs less than one of Napi::Function.
inline Napi::Value PlainFunction(napi_env env, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  return Napi::Value(env, function);
}

// An ioctl's number is 32 bits wide; JavaScript's bit operators make negative ones of those from 2^31 on.
inline std::optional<uint32_t> RequestOf(const Napi::Value& value) {
  auto whole = WholeNumber(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<uint32_t>::max());
  return whole ? std::optional<uint32_t>(static_cast<uint32_t>(*whole)) : std::nullopt;
}

void InitAsync(Napi::Env env, Napi::Object exports);
void InitDatagrams(Napi::Env env, Napi::Object exports);
void InitEventfds(Napi::Env env, Napi::Object exports);
void InitFiles(Napi::Env env, Napi::Object exports);
void InitMappings(Napi::Env env, Napi::Object exports);
void InitRegisters(Napi::Env env, Napi::Object exports);
void InitBulkRegisters(Napi::Env env, Napi::Object exports);
void InitSockets(Napi::Env env, Napi::Object exports);
void InitWatchers(Napi::Env env, Napi::Object exports);
