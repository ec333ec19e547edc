#include "mapping-functions.h"

#include <cerrno>

static void Release(napi_env, void* data, void*) { delete static_cast<MappingPart*>(data); }

MappingRef MappingArg(const Call& call, size_t index) { return FindMapping(IdArg(call, index)); }

std::optional<MappingPart> MappingPartArg(const Call& call) {
  MappingRef mapping = MappingArg(call, 0);
  if (!mapping) return errno = EBADF, std::nullopt;
  size_t most = mapping->length();
  if (TypeOf(call.env(), call[1]) == napi_undefined) return MappingPart{std::move(mapping), 0, most};
  auto offset = call.Whole(1, 0, static_cast<int64_t>(most));
  auto length = call.Whole(2, 0, static_cast<int64_t>(most) - offset.value_or(0));
  if (!offset || !length || *offset % 8 != 0) return errno = ERANGE, std::nullopt;
  return MappingPart{std::move(mapping), static_cast<size_t>(*offset), static_cast<size_t>(*length)};
}

bool AddFunctionsOn(const MappingPart& part, napi_env env, napi_value object,
                    std::initializer_list<NativeFunction> functions) {
  for (const auto& function : functions) {
    if (!AddFunction(env, object, function, new MappingPart(part), Release)) return false;
  }
  return true;
}
