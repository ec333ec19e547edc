#include "mapping-functions.h"

static void Release(napi_env, void* data, void*) { delete static_cast<MappingRef*>(data); }

MappingRef MappingArg(const Call& call, size_t index) { return FindMapping(IdArg(call, index)); }

bool AddFunctionsOn(const MappingRef& mapping, napi_env env, napi_value object,
                    std::initializer_list<NativeFunction> functions) {
  for (const auto& function : functions) {
    if (!AddFunction(env, object, function, new MappingRef(mapping), Release)) return false;
  }
  return true;
}
