// Calls in libuv's thread pool, each behind a promise.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <vector>

// What a call needs and what came of it. `run` is called in a thread of the pool: no Node-API there.
struct Job {
  explicit Job(long (*run)(Job&)) : run(run) {}

  long (*run)(Job& job);  // the call's result, or -1 and errno
  int fd = -1;            // the job's own
  uint32_t request = 0;
  long value = 0;
  std::vector<uint8_t> bytes;    // what the kernel reads and writes
  std::shared_ptr<void> keep;    // must live until the call is over
  napi_env env = nullptr;        // that an fd belongs to which the call opens
  napi_ref target = nullptr;     // the Uint8Array that gets `bytes` when it is over
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  long result = 0;
};

// Begins a call; the job is the pool's from now on. A promise of the result or of -errno, which is never rejected;
// nullptr if the environment is ending.
napi_value Start(napi_env env, Job* job);

// Instead, where the environment is ending: always nullptr.
napi_value Forget(napi_env env, Job* job);

// A promise of what is known already.
napi_value Promised(napi_env env, long result);
