#include "values.h"

namespace {

using NewError = decltype(&napi_create_error);

bool Brand(napi_env env, napi_value error) {
  napi_property_descriptor brand{};
  brand.attributes = napi_default;
  brand.value = Boolean(env, true);
  if (node_api_symbol_for(env, "@vfio/error", NAPI_AUTO_LENGTH, &brand.name) != napi_ok) return false;
  return brand.value != nullptr && napi_define_properties(env, error, 1, &brand) == napi_ok;
}

// Where no error can be made, something is thrown already, or the environment is ending.
napi_value Throw(napi_env env, NewError make, const char* code, const std::string& text) {
  napi_value name = Text(env, code, NAPI_AUTO_LENGTH);
  napi_value message = Text(env, text.data(), text.size());
  napi_value error;
  if (name == nullptr || message == nullptr || make(env, name, message, &error) != napi_ok) return nullptr;
  if (Brand(env, error)) Attempted(napi_throw(env, error));
  return nullptr;
}

}  // namespace

napi_value WithProperties(napi_env env, napi_value object, std::initializer_list<Property> properties) {
  for (const auto& [name, value] : properties) {
    if (value == nullptr || napi_set_named_property(env, object, name, value) != napi_ok) return nullptr;
  }
  return object;
}

napi_value NewObject(napi_env env, std::initializer_list<Property> properties) {
  napi_value object;
  return napi_create_object(env, &object) == napi_ok ? WithProperties(env, object, properties) : nullptr;
}

napi_value Throw(napi_env env, const char* code, const std::string& text) {
  return Throw(env, napi_create_error, code, text);
}

napi_value ThrowRange(napi_env env, const char* code, const std::string& text) {
  return Throw(env, napi_create_range_error, code, text);
}
