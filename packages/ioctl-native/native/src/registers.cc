// Register accessors: each call is exactly one load or store of exactly its width.
//
// V8 narrows, merges and drops plain typed-array accesses, so registers are reached through volatile accesses here.
// These are plain Node-API functions with the mapping in their data pointer: the cheapest call an addon can offer.
#include <cstring>
#include <memory>
#include <string>

#include "common.h"
#include "mapping.h"

namespace {

using MappingRef = std::shared_ptr<Mapping>;

// Thrown with the library's brand, by which isVfioError() knows it.
template <typename E>
void Throw(napi_env env, const char* code, const std::string& text) {
  E error = E::New(env, text);
  error.Set("code", code);
  error.Value().Set(Napi::Symbol::For(env, "@vfio/error"), Napi::Boolean::New(env, true));
  error.ThrowAsJavaScriptException();
}

napi_value ThrowClosed(napi_env env, const Mapping& mapping) {
  Throw<Napi::Error>(env, "ERR_VFIO_CLOSED", mapping.name() + " is closed: its registers are gone");
  return nullptr;
}

napi_value ThrowOffset(napi_env env, const Mapping& mapping, double offset, size_t width) {
  std::string text = "register offset " + Napi::Number::New(env, offset).ToString().Utf8Value() + " (width " +
                     std::to_string(width) + ") must be a multiple of its width and lie within " + mapping.name() + " (" +
                     std::to_string(mapping.length()) + " bytes)";
  Throw<Napi::RangeError>(env, "ERR_VFIO_REGISTER_OFFSET", text);
  return nullptr;
}

napi_value ThrowValue(napi_env env, size_t width) {
  std::string text = "a register value must be an integer of " + std::to_string(width * 8) + " bits";
  Throw<Napi::RangeError>(env, "ERR_VFIO_REGISTER_VALUE", text);
  return nullptr;
}

// The checked address of a register, or nullptr with an exception pending.
template <typename T>
volatile T* Locate(napi_env env, Mapping& mapping, napi_value argument) {
  if (mapping.closed()) {
    ThrowClosed(env, mapping);
    return nullptr;
  }
  double offset = -1;
  napi_get_value_double(env, argument, &offset);
  // The comparison is written so that NaN fails it too.
  if (!(offset >= 0 && offset + sizeof(T) <= mapping.length())) {
    ThrowOffset(env, mapping, offset, sizeof(T));
    return nullptr;
  }
  size_t whole = static_cast<size_t>(offset);
  if (static_cast<double>(whole) != offset || whole % sizeof(T) != 0) {
    ThrowOffset(env, mapping, offset, sizeof(T));
    return nullptr;
  }
  return reinterpret_cast<volatile T*>(mapping.address() + whole);
}

template <typename T>
napi_value ToValue(napi_env env, T value) {
  napi_value result;
  if constexpr (sizeof(T) == 8) {
    napi_create_bigint_uint64(env, value, &result);
  } else {
    napi_create_uint32(env, value, &result);
  }
  return result;
}

// JavaScript's bit operators give signed numbers, so -1 is accepted where 0xffffffff is meant.
template <typename T>
bool FromValue(napi_env env, napi_value argument, T* value) {
  if constexpr (sizeof(T) == 8) {
    bool lossless = false;
    uint64_t wide = 0;
    if (napi_get_value_bigint_uint64(env, argument, &wide, &lossless) != napi_ok || !lossless) return false;
    *value = wide;
  } else {
    double number = 0;
    if (napi_get_value_double(env, argument, &number) != napi_ok) return false;
    double limit = static_cast<double>(1ull << (sizeof(T) * 8));
    if (!(number >= -limit / 2 && number < limit)) return false;
    int64_t whole = static_cast<int64_t>(number);
    if (static_cast<double>(whole) != number) return false;
    *value = static_cast<T>(whole);
  }
  return true;
}

template <typename T>
napi_value Read(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  void* data;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  volatile T* address = Locate<T>(env, **static_cast<MappingRef*>(data), argument);
  return address == nullptr ? nullptr : ToValue<T>(env, *address);
}

template <typename T>
napi_value Write(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  void* data;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  volatile T* address = Locate<T>(env, **static_cast<MappingRef*>(data), arguments[0]);
  if (address == nullptr) return nullptr;
  T value;
  if (!FromValue<T>(env, arguments[1], &value)) return ThrowValue(env, sizeof(T));
  *address = value;
  return nullptr;
}

void AddFunction(Napi::Env env, Napi::Object target, const char* name, napi_callback callback, const MappingRef& mapping) {
  auto* reference = new MappingRef(mapping);
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, reference, &function);
  auto release = [](napi_env, void* data, void*) { delete static_cast<MappingRef*>(data); };
  napi_add_finalizer(env, function, reference, release, nullptr, nullptr);
  target.Set(name, Napi::Value(env, function));
}

}  // namespace

// registers(handle) → { read8, …, write64 } on that mapping.
static Napi::Value Registers(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto handle = WholeArg(info, 0, 1, std::numeric_limits<uint32_t>::max());
  auto mapping = FindMapping(static_cast<uint32_t>(handle.value_or(0)));
  if (!mapping) return Failed(env, EBADF);
  auto result = Napi::Object::New(env);
  AddFunction(env, result, "read8", Read<uint8_t>, mapping);
  AddFunction(env, result, "read16", Read<uint16_t>, mapping);
  AddFunction(env, result, "read32", Read<uint32_t>, mapping);
  AddFunction(env, result, "read64", Read<uint64_t>, mapping);
  // A store into a read-only mapping would be a SIGSEGV, so such a mapping has no write functions.
  if (mapping->writable()) {
    AddFunction(env, result, "write8", Write<uint8_t>, mapping);
    AddFunction(env, result, "write16", Write<uint16_t>, mapping);
    AddFunction(env, result, "write32", Write<uint32_t>, mapping);
    AddFunction(env, result, "write64", Write<uint64_t>, mapping);
  }
  return result;
}

void InitRegisters(Napi::Env env, Napi::Object exports) { exports["registers"] = Napi::Function::New<Registers>(env); }
