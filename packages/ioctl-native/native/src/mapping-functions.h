// Functions on one mapping, which they keep for as long as JavaScript has them.
#pragma once

#include <memory>
#include <optional>

#include "mapping-table.h"
#include "values.h"

// The mapping whose number is an argument; nullptr if there is none.
MappingRef MappingArg(const Call& call, size_t index);

// What functions work on: a mapping, or a part of it, from whose beginning they count.
struct MappingPart {
  MappingRef mapping;
  size_t offset;
  size_t length;

  uint8_t* address() const { return mapping->address() + offset; }
};

// The part that the arguments (handle, offset, length) are: without the last two, all of it. Nothing, and errno says
// why, if there is no such mapping (EBADF), or it has no such part or one at no multiple of 8 (ERANGE).
std::optional<MappingPart> MappingPartArg(const Call& call);

// Gives an object these functions; each has the part as `call.data<MappingPart>()`. False if that can't be done.
bool AddFunctionsOn(const MappingPart& part, napi_env env, napi_value object,
                    std::initializer_list<NativeFunction> functions);
