#include "common.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitAsync(env, exports);
  InitDatagrams(env, exports);
  InitEventfds(env, exports);
  InitFiles(env, exports);
  InitMappings(env, exports);
  InitRegisters(env, exports);
  InitBulkRegisters(env, exports);
  InitSockets(env, exports);
  InitWatchers(env, exports);
  return exports;
}

NODE_API_MODULE(ioctl_native, Init)
