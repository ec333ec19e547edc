// Files that several threads read and write, and that one of them owns.
#pragma once

#include <node_api.h>

// The environment has ended, and with it the files that it shared.
void UnshareFilesOf(napi_env environment);
