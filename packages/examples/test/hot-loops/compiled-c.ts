import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const SOURCE = path.resolve(import.meta.dirname, "../../src/hot-loops/packet-filter.c");

/** The C form, compiled by the command that its first comment has. */
export function compiledC(): Uint8Array {
  const folder = mkdtempSync(path.join(tmpdir(), "packet-filter-"));
  try {
    const [program, ...args] = commandOf(readFileSync(SOURCE, "utf8"));
    const inPlace = args.map((arg) => (arg === path.basename(SOURCE) ? SOURCE : arg));
    const { status, stderr, error } = spawnSync(program, inPlace, { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} failed: ${stderr}`, { cause: error });
    return new Uint8Array(readFileSync(path.join(folder, "packet-filter.wasm")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function commandOf(source: string): [string, ...string[]] {
  const [, command = ""] = /^\/\/ (clang .+(?:\n\/\/ {3}.+)*)/m.exec(source) ?? [];
  const [program = "", ...args] = command.split(/[\s/]*\n\/\/ +| /);
  return [program, ...args];
}
