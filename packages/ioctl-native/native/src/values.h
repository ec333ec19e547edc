// What a native function returns: what the system call returned, or -errno. It never throws for a failed system call:
// the TypeScript above it knows what the call was about.
#pragma once

#include <initializer_list>
#include <string>

#include "call.h"

inline napi_value Number(napi_env env, double value) {
  napi_value result;
  return napi_create_double(env, value, &result) == napi_ok ? result : nullptr;
}

inline napi_value Failed(const Call& call, int error) {
  napi_value result;
  return napi_create_int32(call.env(), -error, &result) == napi_ok ? result : nullptr;
}

// What a system call returned; -errno if that is negative.
inline napi_value Result(const Call& call, long result) {
  if (result < 0) return Failed(call, errno);
  if (result > std::numeric_limits<int32_t>::max()) return Number(call.env(), static_cast<double>(result));
  napi_value value;
  return napi_create_int32(call.env(), static_cast<int32_t>(result), &value) == napi_ok ? value : nullptr;
}

inline napi_value BigInt(napi_env env, uint64_t value) {
  napi_value result;
  return napi_create_bigint_uint64(env, value, &result) == napi_ok ? result : nullptr;
}

inline napi_value Boolean(napi_env env, bool value) {
  napi_value result;
  return napi_get_boolean(env, value, &result) == napi_ok ? result : nullptr;
}

inline napi_value Text(napi_env env, const char* text, size_t length) {
  napi_value result;
  return napi_create_string_utf8(env, text, length, &result) == napi_ok ? result : nullptr;
}

struct Property {
  const char* name;
  napi_value value;
};

// Each of these is nullptr if a property's value is, or can't be set.
napi_value WithProperties(napi_env env, napi_value object, std::initializer_list<Property> properties);
napi_value NewObject(napi_env env, std::initializer_list<Property> properties);

// Throws an error with the library's brand, by which isVfioError() knows it. Always nullptr.
napi_value Throw(napi_env env, const char* code, const std::string& text);
napi_value ThrowRange(napi_env env, const char* code, const std::string& text);
