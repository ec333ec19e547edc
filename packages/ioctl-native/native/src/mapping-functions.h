// Functions on one mapping, which they keep for as long as JavaScript has them.
#pragma once

#include <memory>

#include "mapping-table.h"
#include "values.h"

// The mapping whose number is an argument; nullptr if there is none.
MappingRef MappingArg(const Call& call, size_t index);

// Gives an object these functions; each has the mapping as `call.data<MappingRef>()`. False if that can't be done.
bool AddFunctionsOn(const MappingRef& mapping, napi_env env, napi_value object,
                    std::initializer_list<NativeFunction> functions);
