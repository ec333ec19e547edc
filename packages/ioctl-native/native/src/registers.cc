// Register accessors: each call is exactly one load or store of exactly its width.
//
// V8 narrows, merges and drops plain typed-array accesses, so registers are reached through volatile accesses here.
#include "barriers.h"
#include "mapping-functions.h"

namespace {

// A value for an error's message: a number as JavaScript writes it, and of other things what they are.
std::string Shown(napi_env env, napi_value value) {
  static constexpr const char* kNames[] = {"undefined", "null",      "a boolean",  "a number",    "a string",
                                           "a symbol",  "an object", "a function", "an external", "a bigint"};
  napi_valuetype type = TypeOf(env, value);
  if (type != napi_number && type != napi_bigint) return kNames[type];
  char text[40];
  size_t length;
  napi_value written;
  bool ok = napi_coerce_to_string(env, value, &written) == napi_ok &&
            napi_get_value_string_utf8(env, written, text, sizeof text, &length) == napi_ok;
  if (!ok || length == sizeof text - 1) return kNames[type];
  return std::string(text, length) + (type == napi_bigint ? "n" : "");
}

std::nullptr_t ThrowClosed(const Call& call, const Mapping& mapping) {
  Throw(call.env(), "ERR_VFIO_CLOSED", mapping.name() + " is closed: its registers are gone");
  return nullptr;
}

std::nullptr_t ThrowOffset(const Call& call, const MappingPart& part, size_t width) {
  ThrowRange(call.env(), "ERR_VFIO_REGISTER_OFFSET",
             "register offset " + Shown(call.env(), call[0]) + " (width " + std::to_string(width) +
                 ") must be a multiple of its width and lie within " + part.mapping->name() + " (" +
                 std::to_string(part.length) + " bytes)");
  return nullptr;
}

napi_value ThrowValue(const Call& call, size_t width) {
  std::string bits = std::to_string(width * 8);
  std::string kind = width == 8
                         ? "a bigint from 0n to 2n ** 64n - 1n"
                         : "a number, a whole one from -(2 ** " + std::to_string(width * 8 - 1) + ") to 2 ** " + bits + " - 1";
  return ThrowRange(call.env(), "ERR_VFIO_REGISTER_VALUE",
                    "the value of a register of " + bits + " bits must be " + kind + ", not " +
                        Shown(call.env(), call[1]));
}

// The checked address of the register at the offset that is the first argument; or nullptr, with an exception pending.
template <typename T>
volatile T* Locate(const Call& call) {
  const MappingPart& part = call.data<MappingPart>();
  if (part.mapping->closed()) return ThrowClosed(call, *part.mapping);
  double offset;
  // The comparison is written so that NaN fails it too.
  if (napi_get_value_double(call.env(), call[0], &offset) != napi_ok ||
      !(offset >= 0 && offset + sizeof(T) <= part.length)) {
    return ThrowOffset(call, part, sizeof(T));
  }
  size_t whole = static_cast<size_t>(offset);
  if (static_cast<double>(whole) != offset || whole % sizeof(T) != 0) return ThrowOffset(call, part, sizeof(T));
  return reinterpret_cast<volatile T*>(part.address() + whole);
}

template <typename T>
napi_value Read(const Call& call) {
  volatile T* address = Locate<T>(call);
  if (address == nullptr) return nullptr;
  napi_value result;
  T value = *address;
  AfterLoad();
  if constexpr (sizeof(T) == 8) {
    return napi_create_bigint_uint64(call.env(), value, &result) == napi_ok ? result : nullptr;
  } else {
    return napi_create_uint32(call.env(), value, &result) == napi_ok ? result : nullptr;
  }
}

// JavaScript's bit operators give signed numbers, so -1 is accepted where 0xffffffff is meant.
template <typename T>
std::optional<T> ValueArg(const Call& call) {
  if constexpr (sizeof(T) == 8) {
    return call.Wide(1);
  } else {
    constexpr int64_t kEnd = int64_t{1} << (sizeof(T) * 8);
    auto whole = call.Whole(1, -kEnd / 2, kEnd - 1);
    return whole ? std::optional<T>(static_cast<T>(*whole)) : std::nullopt;
  }
}

template <typename T>
napi_value Write(const Call& call) {
  volatile T* address = Locate<T>(call);
  if (address == nullptr) return nullptr;
  auto value = ValueArg<T>(call);
  if (!value) return ThrowValue(call, sizeof(T));
  BeforeStore();
  *address = *value;
  return nullptr;
}

// registers(handle, offset?, length?) → { read8, …, write64 } on that mapping or part of it; or -EBADF, -ERANGE.
napi_value Registers(const Call& call) {
  napi_env env = call.env();
  auto part = MappingPartArg(call);
  if (!part) return Result(call, -1);
  napi_value result = NewObject(env, {});
  if (result == nullptr || !AddFunctionsOn(*part, env, result,
                                           {{"read8", Native<Read<uint8_t>, 1>},
                                            {"read16", Native<Read<uint16_t>, 1>},
                                            {"read32", Native<Read<uint32_t>, 1>},
                                            {"read64", Native<Read<uint64_t>, 1>}})) {
    return nullptr;
  }
  // A store into a read-only mapping would be a SIGSEGV, so such a mapping has no write functions.
  bool complete = !part->mapping->writable() || AddFunctionsOn(*part, env, result,
                                                         {{"write8", Native<Write<uint8_t>, 2>},
                                                          {"write16", Native<Write<uint16_t>, 2>},
                                                          {"write32", Native<Write<uint32_t>, 2>},
                                                          {"write64", Native<Write<uint64_t>, 2>}});
  return complete ? result : nullptr;
}

}  // namespace

bool AddRegisters(napi_env env, napi_value exports) {
  return AddFunctions(env, exports, {{"registers", Native<Registers, 3>}});
}
