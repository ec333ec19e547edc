import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const SOURCES = ["support/fault-guard.cc", "../native/src/fault-guard.cc"];

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "vfio-guard-"));
  program = path.join(folder, "fault-guard");
  const sources = SOURCES.map((source) => path.join(import.meta.dirname, source));
  execFileSync("c++", ["-std=c++17", "-O2", "-Wall", "-Werror", "-pthread", "-o", program, ...sources]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a scenario printed, and how its process ended. */
function run(scenario: string): { printed: string; end: number | string | null } {
  const { stdout, status, signal } = spawnSync(program, [scenario], { encoding: "utf8", timeout: 60_000 });
  return { printed: stdout.trim(), end: signal ?? status };
}

describe("memory that goes away under a guarded range", () => {
  it("reads as ones, keeps what is written, and is noted", () => {
    expect(run("own")).toEqual({ printed: "0 ffffffff 1 7 ff", end: 0 });
  });

  it("is told from that of others, however many there are", () => {
    expect(run("many")).toEqual({ printed: "0", end: 0 });
  });

  it("of a gigabyte does not use up the process's areas of memory", () => {
    expect(run("large")).toEqual({ printed: "0 1", end: 0 });
  });

  it("reads as ones in all threads at once, while other ranges come and go", () => {
    expect(run("threads")).toEqual({ printed: "0", end: 0 });
  });

  it("ends the process once the range is not guarded any more", () => {
    expect(run("ended")).toEqual({ printed: "1 ffffffff 1", end: "SIGBUS" });
  });
});

describe("a fault elsewhere", () => {
  it.each([
    ["ends the process as it would have", "elsewhere", "", "SIGBUS"],
    ["goes to whoever had the signal before, with all that the kernel tells", "elsewhere, info", "0 1", 0],
    ["the same if that one wants no more than the number", "elsewhere, plain", "0 0", 0],
    ["that one's wish to be called once is heard", "elsewhere, once", "0 0", "SIGBUS"],
    ["ends the process where the signal was ignored, as the kernel does", "elsewhere, ignored", "", "SIGBUS"],
  ])("%s", (_title, scenario, printed, end) => {
    expect(run(scenario)).toEqual({ printed, end });
  });
});

describe("the signal sent by somebody", () => {
  it("ends the process", () => {
    expect(run("sent")).toEqual({ printed: "", end: "SIGBUS" });
  });

  it("is ignored where it was", () => {
    expect(run("sent, ignored")).toEqual({ printed: "lives", end: 0 });
  });
});
