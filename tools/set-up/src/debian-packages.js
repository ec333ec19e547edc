/**
 * Debian's package for each program on PATH, or file. Nothing here may import an npm package: set-up runs before any is
 * installed.
 */

export const COMPILER = { "c++": "g++" };

export const CROSS_COMPILERS = {
  "g++": "g++",
  "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
  "/usr/include/x86_64-linux-musl/stdio.h": "musl-dev",
};

/** Runs a program linked with musl. */
export const MUSL = { "/lib/ld-musl-x86_64.so.1": "musl" };

export const ARM64_EMULATOR = {
  "qemu-aarch64-static": "qemu-user-static",
  "/usr/aarch64-linux-gnu/lib": "libc6-arm64-cross",
};

/** Finds leaks and wrong accesses of the addon. */
export const MEMORY_CHECKER = { "g++": "g++", valgrind: "valgrind" };

/** Renders the documentation, for tests. */
export const BROWSER = { "/usr/bin/chromium": "chromium" };

/** For tests: a program other than Node.js at a socket's or a lock's other end. */
export const PYTHON = { python3: "python3" };

/** Compiles the C of an example to WebAssembly, for its test. */
export const WEBASSEMBLY_COMPILER = { clang: "clang", "wasm-ld": "lld" };
