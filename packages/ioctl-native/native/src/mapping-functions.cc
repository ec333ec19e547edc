#include "mapping-functions.h"

static void Release(napi_env, void* data, void*) { delete static_cast<MappingRef*>(data); }

uint32_t HandleArg(const Call& call, size_t index) {
  return static_cast<uint32_t>(call.Whole(index, 1, std::numeric_limits<uint32_t>::max()).value_or(0));
}

MappingRef MappingArg(const Call& call, size_t index) { return FindMapping(HandleArg(call, index)); }

bool AddFunctionsOn(const MappingRef& mapping, napi_env env, napi_value object,
                    std::initializer_list<NativeFunction> functions) {
  for (const auto& function : functions) {
    if (!AddFunction(env, object, function, new MappingRef(mapping), Release)) return false;
  }
  return true;
}
