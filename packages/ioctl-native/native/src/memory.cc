// What memory is made of: the pages of mappings, where they are, and what is known of the files behind them.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "mapping-functions.h"

namespace {

// bindMapping(handle, node): takes the memory's pages from one NUMA node only (mbind(2), MPOL_BIND), from now on.
napi_value BindMapping(const Call& call) {
  constexpr int kBind = 2;
  unsigned long nodes[16] = {};
  constexpr int kBits = sizeof nodes * 8;
  auto mapping = MappingArg(call, 0);
  auto node = call.Whole(1, 0, kBits - 1);
  if (!mapping) return Failed(call, EBADF);
  if (!node) return Failed(call, EINVAL);
  nodes[*node / 64] = 1ul << (*node % 64);
  return Result(call, syscall(SYS_mbind, mapping->address(), mapping->pages().length, kBind, nodes, kBits + 1, 0));
}

// residentBytes(handle) → how much of it is in memory (mincore(2)), whoever has touched it.
napi_value ResidentBytes(const Call& call) {
  auto mapping = MappingArg(call, 0);
  if (!mapping) return Failed(call, EBADF);
  unsigned char pages[16384];
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t resident = 0;
  for (size_t at = 0; at < mapping->pages().length; at += sizeof pages * page) {
    size_t length = std::min(mapping->pages().length - at, sizeof pages * page);
    if (mincore(mapping->address() + at, length, pages) < 0) return Result(call, -1);
    auto there = std::count_if(pages, pages + length / page, [](unsigned char each) { return (each & 1) != 0; });
    resident += static_cast<size_t>(there) * page;
  }
  return Number(call.env(), static_cast<double>(resident));
}

napi_value SystemPageBytes(const Call& call) { return Result(call, sysconf(_SC_PAGESIZE)); }

// The kernel answers itself, whatever is behind the file.
napi_value Seals(const Call& call) { return Result(call, fcntl(call.Fd(0), F_GET_SEALS)); }

// { type, blockBytes, blocks, freeBlocks }
napi_value FilesystemOf(const Call& call) {
  struct statfs found;
  if (fstatfs(call.Fd(0), &found) < 0) return Result(call, -1);
  auto number = [&](auto value) { return Number(call.env(), static_cast<double>(value)); };
  return NewObject(call.env(), {{"type", number(found.f_type)},
                                {"blockBytes", number(found.f_bsize)},
                                {"blocks", number(found.f_blocks)},
                                {"freeBlocks", number(found.f_bfree)}});
}

}  // namespace

bool AddMemory(napi_env env, napi_value exports) {
  return AddFunctions(env, exports,
                      {{"bindMapping", Native<BindMapping, 2>},
                       {"residentBytes", Native<ResidentBytes, 1>},
                       {"pageBytes", Native<SystemPageBytes, 0>},
                       {"seals", Native<Seals, 1>},
                       {"filesystemOf", Native<FilesystemOf, 1>}});
}
