import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "vfio-native-"));
  const sources = ["support/fault-guard.cc", "../native/src/fault-guard.cc"];
  const files = sources.map((source) => path.join(import.meta.dirname, source));
  const flags = ["-std=c++17", "-O2", "-Wall", "-Werror", "-pthread", "-D_FILE_OFFSET_BITS=64"];
  execFileSync("c++", [...flags, "-o", path.join(folder, "program"), ...files], { stdio: "pipe" });
});
afterAll(() => rmSync(folder, { recursive: true }));

type Story = [title: string, scenario: string, printed: string, end: number | string];

describe.each<[string, Story[]]>([
  [
    "memory that goes away under a guarded range",
    [
      ["reads as ones, keeps what is written, and is noted", "own", "0 ffffffff 1 7 ff", 0],
      ["is told from that of others, however many there are", "many", "0", 0],
      ["of a gigabyte does not use up the process's areas of memory", "large", "0 1", 0],
      ["reads as ones in all threads at once, while other ranges come and go", "threads", "0", 0],
      ["ends the process once the range is not guarded any more", "ended", "1 ffffffff 1", "SIGBUS"],
    ],
  ],
  [
    "a fault elsewhere",
    [
      ["ends the process as it would have", "elsewhere", "", "SIGBUS"],
      ["goes to whoever had the signal before, with all that the kernel tells", "elsewhere, info", "0 1", 0],
      ["the same if that one wants no more than the number", "elsewhere, plain", "0 0", 0],
      ["that one's wish to be called once is heard", "elsewhere, once", "0 0", "SIGBUS"],
      [
        "ends the process where the signal was ignored, as the kernel does",
        "elsewhere, ignored",
        "",
        "SIGBUS",
      ],
      [
        "handled by one who wanted a single call, leaves the guard on",
        "own, after elsewhere, once",
        "0 0\n0 ffffffff 1 7 ff",
        0,
      ],
    ],
  ],
  [
    "somebody who takes the signal after the guard",
    [
      ["has what is not the guard's from the next range on, and no more", "replaced", "ffffffff 0 1", 0],
      [
        "and passes on, as another copy of the guard does, is passed each fault once, and the guard's former next",
        "circle, with one before",
        "0 1 1\n0 1 2",
        0,
      ],
      ["the same without a former: the fault ends the process, as it would have", "circle", "", "SIGBUS"],
      [
        "or gives it to the kernel, has it taken back when the guard is asked to, which takes nothing before its first range",
        "reset",
        "0 ffffffff",
        0,
      ],
    ],
  ],
  [
    "the signal sent by somebody",
    [
      ["ends the process", "sent", "", "SIGBUS"],
      ["is ignored where it was", "sent, ignored", "lives", 0],
    ],
  ],
])("%s", (_what, stories) => {
  it.each(stories)("%s", (_title, scenario, printed, end) => {
    const options = { encoding: "utf8", timeout: 60_000 } as const;
    const { stdout, status, signal } = spawnSync(path.join(folder, "program"), [scenario], options);
    expect([stdout.trim(), signal ?? status]).toEqual([printed, end]);
  });
});
