// The addon's numbers, as if 2^32 - 3 had been given out.
#include "../../native/src/numbers.cc"

[[maybe_unused]] static const bool is_late = (next_id = (Id{1} << 32) - 2, true);
