// Of node-addon-api only the registration: its classes end the process where a call of Node-API fails, as it may in an
// environment that is ending. No other file can include it (flags.mjs).
#include <napi.h>

#include "call.h"

// Without exports nothing is wrong but the environment: it is ending, or has no stack left and something is thrown.
static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  bool complete = AddEnvironment(env, exports) && AddAsync(env, exports) && AddDatagrams(env, exports) &&
                  AddEventfds(env, exports) && AddFiles(env, exports) && AddMappings(env, exports) &&
                  AddRegisters(env, exports) && AddBulkRegisters(env, exports) && AddReadiness(env, exports) &&
                  AddSharedFiles(env, exports) && AddSockets(env, exports) && AddWatchers(env, exports);
  return complete ? exports : Napi::Object();
}

NODE_API_MODULE(ioctl_native, Init)
