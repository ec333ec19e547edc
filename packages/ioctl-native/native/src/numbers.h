// The numbers by which JavaScript knows mappings, holds, shared files and watchers. It gets no pointers, so that a stale
// or invented number does nothing; and none is ever used again, or a stale one would reach what is another's by now.
#pragma once

#include "call.h"

// Up to 2^53 - 1, which a double holds exactly: 2^32 mappings are made within hours.
using Id = uint64_t;

// The next number of the process. The first is 1.
Id NextId();

// A number that is an argument; 0, which nothing has, for anything else.
inline Id IdArg(const Call& call, size_t index) {
  return static_cast<Id>(call.Whole(index, 1, kMaxSafeInteger).value_or(0));
}
