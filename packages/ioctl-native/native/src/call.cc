#include "call.h"

std::optional<uint64_t> Call::Wide(size_t index) const {
  uint64_t value;
  bool lossless;
  if (napi_get_value_bigint_uint64(env_, arguments_[index], &value, &lossless) != napi_ok) return std::nullopt;
  return lossless ? std::optional<uint64_t>(value) : std::nullopt;
}

bool Call::Flag(size_t index) const {
  napi_value boolean;
  bool value = false;
  if (napi_get_value_bool(env_, arguments_[index], &value) == napi_ok) return value;
  if (napi_coerce_to_bool(env_, arguments_[index], &boolean) != napi_ok) return false;
  return napi_get_value_bool(env_, boolean, &value) == napi_ok && value;
}

std::optional<std::string> Call::Text(size_t index) const {
  size_t length;
  if (napi_get_value_string_utf8(env_, arguments_[index], nullptr, 0, &length) != napi_ok) return std::nullopt;
  std::string text(length, '\0');
  // Node-API writes the NUL behind the text, where a std::string has its own.
  if (napi_get_value_string_utf8(env_, arguments_[index], text.data(), length + 1, &length) != napi_ok) {
    return std::nullopt;
  }
  return text.find('\0') == std::string::npos ? std::optional<std::string>(std::move(text)) : std::nullopt;
}

bool AddFunction(napi_env env, napi_value object, const NativeFunction& function, void* data, napi_finalize release) {
  napi_value made;
  bool ok = napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, data, &made) == napi_ok;
  if (ok && release != nullptr) ok = napi_add_finalizer(env, made, data, release, nullptr, nullptr) == napi_ok;
  // Nobody has the function, so nobody can call it with the data that is gone.
  if (!ok && release != nullptr) release(env, data, nullptr);
  return ok && napi_set_named_property(env, object, function.name, made) == napi_ok;
}

bool AddFunctions(napi_env env, napi_value object, std::initializer_list<NativeFunction> functions) {
  for (const auto& function : functions) {
    if (!AddFunction(env, object, function, nullptr, nullptr)) return false;
  }
  return true;
}
