/**
 * Compiles the binaries that are published, for every platform: prebuilds/<platform>/ioctl-native.node. They need a C
 * library and nothing else.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { compile } from "./compile.mjs";

const native = import.meta.dirname;
const compat = path.join(native, "compat");
const scratch = mkdtempSync(path.join(tmpdir(), "prebuild-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** For size: with the whole addon before it, the compiler leaves a fifth of the file out. Every installation has three. */
const SMALL = ["-s", "-flto"];
const STATIC_LIBSTDCXX = ["-nodefaultlibs", "-Wl,-Bstatic", "-lstdc++", "-lgcc", "-Wl,-Bdynamic"];

const TARGETS = {
  "linux-x64-glibc": { compiler: "g++", flags: ["-fcf-protection"], link: withGlibc },
  "linux-arm64-glibc": {
    compiler: "aarch64-linux-gnu-g++",
    flags: ["-mbranch-protection=standard"],
    link: withGlibc,
  },
  "linux-x64-musl": { compiler: "g++", flags: ["-fcf-protection", ...muslHeaders()], link: withMusl },
};

linkKernelHeaders();
for (const [platform, { compiler, flags, link }] of Object.entries(TARGETS)) {
  const output = path.join(native, "../prebuilds", platform, "ioctl-native.node");
  await compile({ output, compiler, flags: [...SMALL, "-I", compat, ...flags], link, withRuntime: true });
}

function withGlibc(objects) {
  return [...objects, ...STATIC_LIBSTDCXX, "-lc"];
}

/** Debian has no C++ compiler for musl, but musl's headers, and libstdc++'s are nearly independent of the C library. */
function muslHeaders() {
  const version = execFileSync("g++", ["-dumpversion"], { encoding: "utf8" }).trim();
  const machine = "/usr/include/x86_64-linux-gnu";
  const folders = [
    `/usr/include/c++/${version}`,
    `${machine}/c++/${version}`,
    execFileSync("g++", ["-print-file-name=include"], { encoding: "utf8" }).trim(),
    "/usr/include/x86_64-linux-musl",
    path.join(scratch, "kernel"),
  ];
  const includes = folders.flatMap((folder) => ["-isystem", folder]);
  return ["-nostdinc", "-nostdinc++", "-include", path.join(compat, "musl.h"), ...includes];
}

/** musl's name on Alpine is in no package of Debian's: an empty library of that name makes the linker write it down. */
function withMusl(objects) {
  const libc = path.join(scratch, "libc.musl-x86_64.so.1");
  const empty = ["-shared", "-nostdlib", `-Wl,-soname,${path.basename(libc)}`, "-x", "c", "/dev/null"];
  execFileSync("gcc", [...empty, "-o", libc]);
  const [begin, end] = ["crtbeginS.o", "crtendS.o"].map((file) =>
    execFileSync("g++", [`-print-file-name=${file}`], { encoding: "utf8" }).trim(),
  );
  return ["-nostartfiles", begin, ...objects, ...STATIC_LIBSTDCXX, "-Wl,--no-as-needed", libc, end];
}

/** Only the kernel's headers, which lie in folders of their own among glibc's. */
function linkKernelHeaders() {
  const kernel = path.join(scratch, "kernel");
  mkdirSync(kernel);
  symlinkSync("/usr/include/linux", path.join(kernel, "linux"));
  symlinkSync("/usr/include/asm-generic", path.join(kernel, "asm-generic"));
  symlinkSync("/usr/include/x86_64-linux-gnu/asm", path.join(kernel, "asm"));
}
