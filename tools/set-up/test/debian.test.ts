import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const debian = path.resolve(import.meta.dirname, "../src/debian.js");

/** A machine's PATH on which no apt-get is real. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "debian-"));
  script("sleep", "exit 0");
});
afterEach(() => rmSync(folder, { recursive: true }));

function script(name: string, text: string): void {
  writeFileSync(path.join(folder, name), `#!/bin/sh\necho "$@" >> "${folder}/${name}.calls"\n${text}\n`);
  chmodSync(path.join(folder, name), 0o755);
}

function calls(name: string): string[] {
  const file = path.join(folder, `${name}.calls`);
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

/** Asks for three programs: one that is there, one that is not, and a file that is not. */
function ensure(uid: number): { status: number | null; stderr: string } {
  const program = `process.getuid = () => ${uid};
    const { ensureDebianPackages } = await import(${JSON.stringify(debian)});
    ensureDebianPackages({ sleep: "coreutils", frob: "frobber", "/nowhere/grind": "grinder" }, "Frobbing");`;
  const env = { ...process.env, PATH: folder };
  return spawnSync(process.execPath, ["--input-type=module", "-e", program], { env, encoding: "utf8" });
}

describe("given programs that are not there", () => {
  it("root gets the packages they are in, and no others; the person is told which", () => {
    script("apt-get", "exit 0");

    const { status, stderr } = ensure(0);

    expect([status, stderr]).toEqual([0, "Installing from Debian: frobber, grinder\n"]);
    expect(calls("apt-get")).toEqual(["update", "install -y --no-install-recommends frobber grinder"]);
  });

  it("anybody else gets the command to type, and nothing runs", () => {
    script("apt-get", "exit 0");

    const { status, stderr } = ensure(1000);

    expect(status).toBe(1);
    expect(stderr).toContain(
      "Frobbing needs frobber, grinder. Type: sudo apt-get update && sudo apt-get install -y --no-install-recommends frobber grinder",
    );
    expect(calls("apt-get")).toEqual([]);
  });

  it("when apt-get fails, its own words are the error", () => {
    script("apt-get", 'echo "E: Unable to locate package frobber" >&2; exit 100');

    const { status, stderr } = ensure(0);

    expect(status).toBe(1);
    expect(stderr).toContain("apt-get update failed: E: Unable to locate package frobber");
  });
});
