/** Bun linked with musl, on a machine with glibc: npm's only runtime with Node-API for musl. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MUSL } from "@vfio/set-up/debian-packages.js";
import { ensureDebianPackages } from "@vfio/set-up/debian.js";
import { installed } from "./installed.js";

const [MUSL_LOADER = ""] = Object.keys(MUSL);

/** Symbols that Debian's libstdc++.a, made for glibc, needs and musl lacks. */
const GLIBC_ONLY = `
char __libc_single_threaded;
int _dl_find_object(void *address, void *result) { (void)address; (void)result; return -1; }
unsigned arc4random(void) { return 4; }
int __cxa_thread_atexit_impl(void (*f)(void *), void *o, void *d) { (void)f; (void)o; (void)d; return 0; }
`;

/**
 * The command before the program's file and arguments.
 * @param {string} folder for its C++ library, which is made here: Debian has none for musl.
 * @returns {Promise<string[]>}
 */
export async function muslBun(folder) {
  await ensureDebianPackages({ "g++": "g++", ...MUSL }, "Starting a program linked with musl");
  const bun = path.join(installed("bun-musl"), "@oven/bun-linux-x64-musl-baseline/bin/bun");
  makeLibstdcxx(folder, bun);
  return [MUSL_LOADER, "--library-path", folder, bun];
}

/** @param {string} folder @param {string} bun */
function makeLibstdcxx(folder, bun) {
  mkdirSync(folder, { recursive: true });
  const source = path.join(folder, "glibc-only.c");
  writeFileSync(source, GLIBC_ONLY);
  const undefinedSymbols = run("nm", "-D", "--undefined-only", bun).match(/(?<= U )_Z\w+/g) ?? [];
  run(
    "g++",
    ...[
      "-shared",
      "-fPIC",
      "-nostdlib",
      "-Wl,-soname,libstdc++.so.6",
      "-o",
      path.join(folder, "libstdc++.so.6"),
    ],
    ...[run("g++", "-print-file-name=crtbeginS.o").trim(), "-x", "c", source, "-x", "none"],
    ...undefinedSymbols.map((symbol) => `-Wl,-u,${symbol}`),
    ...["-Wl,--whole-archive", "-Wl,-Bstatic", "-lsupc++", "-Wl,--no-whole-archive", "-lstdc++"],
    ...["-lgcc_eh", "-lgcc", run("g++", "-print-file-name=crtendS.o").trim()],
  );
}

/** @param {string} command @param {string[]} args */
function run(command, ...args) {
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 });
}
