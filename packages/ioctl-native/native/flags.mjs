/**
 * How the addon is compiled. There is no node-gyp and no binding.gyp: npm runs node-gyp for every package that has one
 * in its root, and a handful of files needs no generator.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const native = import.meta.dirname;

const LANGUAGE = [
  "-std=c++17",
  "-fPIC",
  "-pthread",
  "-fvisibility=hidden",
  "-fno-exceptions",
  "-fno-rtti",
  // Without exceptions nobody unwinds; the tables would be a tenth of the file.
  "-fno-asynchronous-unwind-tables",
  "-fno-unwind-tables",
  "-ffunction-sections",
  "-fdata-sections",
];
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
const HARDENING = [
  "-D_FORTIFY_SOURCE=2",
  "-D_GLIBCXX_ASSERTIONS",
  "-fstack-protector-strong",
  "-fstack-clash-protection",
];
const DEFINES = [
  "-DNAPI_VERSION=9",
  "-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
  "-D_FILE_OFFSET_BITS=64",
  // Any call of Node-API fails in an environment that is ending: nobody may drop its result.
  '-DNAPI_EXTERN=__attribute__((visibility("default"),warn_unused_result))',
];

export const LINK_FLAGS = [
  "-shared",
  "-pthread",
  "-static-libgcc",
  "-Wl,-z,relro,-z,now,-z,noexecstack",
  // A worker's end unloads what only it had loaded, and with it the handler of a signal, and mappings that others use.
  "-Wl,-z,nodelete",
  "-Wl,--as-needed,--gc-sections",
  `-Wl,--version-script=${path.join(native, "exports.map")}`,
];

/** Compiled for speed: what hot loops call. All the rest is a third of the size when it is compiled for that. */
const HOT = ["registers.cc", "bulk-registers.cc", "eventfds.cc", "files.cc"];

/** What of it can fail ends the process, so that only the addon's registration may use it. */
const WITH_NODE_ADDON_API = ["addon.cc"];

/** The flags of a source file, in every build. */
export function compileFlags(source) {
  return [
    HOT.includes(source) ? "-O2" : "-Os",
    ...LANGUAGE,
    ...WARNINGS,
    ...HARDENING,
    ...DEFINES,
    "-isystem",
    nodeHeaders(),
    ...(WITH_NODE_ADDON_API.includes(source) ? ["-isystem", nodeAddonApi()] : []),
  ];
}

/** Node's own headers: they lie beside the executable in every normal installation. */
function nodeHeaders() {
  const prefix = path.dirname(path.dirname(process.execPath));
  const candidates = [path.join(prefix, "include/node"), "/usr/include/node"];
  const found = candidates.find((folder) => existsSync(path.join(folder, "uv.h")));
  if (found !== undefined) return found;
  throw new Error(
    `Compiling the addon needs the headers of Node.js, and they are not in ${candidates.join(" or ")}.`,
  );
}

/** An optional peer: whoever uses the prebuilt binaries does not need its headers. */
function nodeAddonApi() {
  try {
    return path.dirname(createRequire(import.meta.url).resolve("node-addon-api/package.json"));
  } catch (cause) {
    const remedy = "Type: npm install node-addon-api@8";
    throw new Error(`Compiling the addon needs the package node-addon-api. ${remedy}`, { cause });
  }
}
