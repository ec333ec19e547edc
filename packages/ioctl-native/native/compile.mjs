import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { compileFlags, LINK_FLAGS } from "./flags.mjs";

const native = import.meta.dirname;
const run = promisify(execFile);

/**
 * Compiles the addon.
 * @param {object} options
 * @param {string} options.output the file to make.
 * @param {string} [options.compiler] Default: what CXX says, or c++.
 * @param {string[]} [options.flags] more flags to compile with.
 * @param {(objects: string[]) => string[]} [options.link] what to link, from the object files. Default: just them.
 * @param {boolean} [options.withRuntime] with src/runtime.cc in place of the system's libstdc++. Default: without.
 * @throws {Error} with the compiler's own words.
 */
export async function compile({
  output,
  compiler = process.env.CXX || "c++",
  flags = [],
  link,
  withRuntime = false,
}) {
  mkdirSync(path.dirname(output), { recursive: true });
  const scratch = mkdtempSync(`${output}.`);
  try {
    const objects = await Promise.all(
      sources(withRuntime).map(async (source) => {
        const object = path.join(scratch, `${source}.o`);
        const files = ["-c", path.join(native, "src", source), "-o", object];
        await compiled(compiler, [...compileFlags(source), ...flags, ...files]);
        return object;
      }),
    );
    const incoming = path.join(scratch, path.basename(output));
    await compiled(compiler, [...LINK_FLAGS, ...flags, "-o", incoming, ...(link?.(objects) ?? objects)]);
    // Renamed into place: a process that has the old one loaded must not see its code change under it.
    renameSync(incoming, output);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function sources(withRuntime) {
  const files = readdirSync(path.join(native, "src")).filter((file) => file.endsWith(".cc"));
  return files.filter((file) => withRuntime || file !== "runtime.cc");
}

async function compiled(compiler, args) {
  try {
    await run(compiler, args, { maxBuffer: 1 << 26 });
  } catch (error) {
    const missing = `There is no compiler ${compiler} on PATH. On Debian: apt-get install g++`;
    const message = error.code === "ENOENT" ? missing : `${compiler} failed:\n${error.stderr}`;
    throw new Error(message, { cause: error });
  }
}
