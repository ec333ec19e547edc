// Conventions of this addon: a native function returns what the system call returned, or -errno.
// It never throws for a failed system call: the TypeScript above it knows what the call was about.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstdint>

inline Napi::Value Result(Napi::Env env, long result) {
  return Napi::Number::New(env, result < 0 ? -errno : static_cast<double>(result));
}

inline Napi::Value Failed(Napi::Env env, int error) { return Napi::Number::New(env, -error); }

inline int IntArg(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsNumber() ? info[index].As<Napi::Number>().Int32Value() : -1;
}

// File offsets exceed 32 bits (VFIO regions lie at index << 40), and a double holds them exactly.
inline int64_t OffsetArg(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsNumber() ? info[index].As<Napi::Number>().Int64Value() : 0;
}

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// The memory of a Uint8Array argument; {nullptr, 0} for anything else.
inline Bytes BytesArg(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return {};
  auto array = info[index].As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

void InitFiles(Napi::Env env, Napi::Object exports);
void InitMappings(Napi::Env env, Napi::Object exports);
void InitRegisters(Napi::Env env, Napi::Object exports);
void InitSockets(Napi::Env env, Napi::Object exports);
void InitWatchers(Napi::Env env, Napi::Object exports);
