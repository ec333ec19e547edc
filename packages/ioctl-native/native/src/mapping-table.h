// Which mappings there are, who uses each, and who forbids that it is closed: once for the process, since threads find
// the same mapping by its number.
//
// A mapping belongs to the environment that made it, and every environment that joined it uses it, too. Unmapping is for
// all of them. An environment that ends only ceases to use it: the last one that does takes it along.
#pragma once

#include <node_api.h>

#include <string>
#include <vector>

#include "mapping.h"
#include "numbers.h"

// The new mapping's number.
Id AddMapping(MappingRef mapping, napi_env user);

// The mapping with this number, or nullptr after its close.
MappingRef FindMapping(Id handle);

// One more use by an environment, and one less. 0 or an errno; EBUSY: what that environment itself holds, it still needs.
int JoinMapping(Id handle, napi_env user);
int LeaveMapping(Id handle, napi_env user);

// Ends it for all. 0 or an errno; EBUSY: somebody holds it.
int CloseMapping(Id handle);

// Forbids closing. `file` is the fd of what relies on it, a container that the memory is mapped for DMA in; or -1.
// Returns the hold's number; 0 if there is no such mapping.
Id HoldMapping(Id handle, napi_env holder, int file, std::string reason);
void ReleaseHold(Id hold);

// Who holds it and why, each reason once.
std::vector<std::string> HoldersOf(Id handle);

// An environment has ended, and with it what it used and held. Memory may still be mapped for DMA by a container that
// is open in another thread: such a hold stays until that container's fd is closed, and keeps the memory.
// To be told of each fd before it is closed.
void LeaveMappingsOf(napi_env environment);
void FileIsClosed(int fd);
