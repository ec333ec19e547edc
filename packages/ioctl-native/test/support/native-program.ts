import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll } from "vitest";

/** How a run of a program ended, and what it printed. */
export interface Run {
  readonly printed: string;
  readonly end: number | string | null;
}

/**
 * A C++ program of this folder with some of the addon's sources, compiled once for the tests of the file.
 * @returns runs one of its scenarios in a process of its own.
 */
export function nativeProgram(name: string, sources: readonly string[]): (scenario: string) => Run {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "vfio-native-"));
    const files = [
      path.join(import.meta.dirname, `${name}.cc`),
      ...sources.map((source) => path.join(import.meta.dirname, "../../native/src", source)),
    ];
    const flags = ["-std=c++17", "-O2", "-Wall", "-Werror", "-pthread", "-D_FILE_OFFSET_BITS=64"];
    execFileSync("c++", [...flags, "-o", path.join(folder, name), ...files], { stdio: "pipe" });
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return (scenario) => {
    const options = { encoding: "utf8", timeout: 60_000 } as const;
    const { stdout, status, signal } = spawnSync(path.join(folder, name), [scenario], options);
    return { printed: stdout.trim(), end: signal ?? status };
  };
}
