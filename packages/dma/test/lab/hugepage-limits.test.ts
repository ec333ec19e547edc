import { errorOf, leavesNothingBehind } from "@vfio/test-support";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HugepageMemory, type AllocateOptions } from "../../src/index.js";

const TWO_MIB = 2 << 20;
const MIB = 2 ** 20;
const OUTER = "/sys/fs/cgroup/vfio-limits";
const INNER = `${OUTER}/inner`;

leavesNothingBehind();

interface Outcome {
  readonly bytes?: number;
  readonly code?: string;
  readonly syscall?: string;
  readonly message?: string;
  readonly hint?: string;
}

/** What becomes of an allocation in a process of the inner cgroup. */
function allocateInside(options: AllocateOptions): Outcome {
  const program = path.join(import.meta.dirname, "hugepage-limits.mjs");
  const text = execFileSync(process.execPath, [program, INNER, JSON.stringify(options)], {
    encoding: "utf8",
  });
  return JSON.parse(text) as Outcome;
}

describe("given a cgroup within another that has a limit", () => {
  beforeEach(() => {
    writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+hugetlb +memory");
    mkdirSync(OUTER);
    writeFileSync(`${OUTER}/cgroup.subtree_control`, "+hugetlb +memory");
    mkdirSync(INNER);
  });
  afterEach(() => {
    rmdirSync(INNER);
    rmdirSync(OUTER);
  });

  it.each([
    ["hugetlb.2MB.max", "madvise"],
    ["hugetlb.2MB.rsvd.max", "mmap"],
  ])(
    "%s: hugepages beyond it are ENOMEM of %s, and the hint names the file and nothing else",
    (limit, syscall) => {
      writeFileSync(`${OUTER}/${limit}`, String(2 * TWO_MIB));

      expect(allocateInside({ bytes: 2 * TWO_MIB })).toEqual({ bytes: 2 * TWO_MIB });
      const { code, hint, ...outcome } = allocateInside({ bytes: 3 * TWO_MIB });

      expect(code).toBe("ENOMEM");
      expect(outcome.syscall).toBe(syscall);
      expect(hint).toContain(`allows ${2 * TWO_MIB} bytes of them, 0 are in use, ${3 * TWO_MIB} are needed`);
      expect(hint).toContain(`(${OUTER}/${limit})`);
      expect(hint).not.toContain("echo");
    },
  );

  it("memory.max: ordinary pages beyond it are refused with both numbers, and nobody is killed", () => {
    writeFileSync(`${OUTER}/memory.max`, String(256 * MIB));

    expect(allocateInside({ bytes: 64 * MIB, pageBytes: 4096 })).toEqual({ bytes: 64 * MIB });
    const { code, message } = allocateInside({ bytes: 256 * MIB, pageBytes: 4096 });

    expect(code).toBe("ERR_VFIO_MEMORY_EXHAUSTED");
    expect(message).toMatch(/the machine has \d+ MiB left \(MemAvailable\), its cgroup \d+ MiB/);
    expect(message).toContain(`(${OUTER}/memory.max: 256 MiB`);
  });
});

describe("given a hugetlbfs that was mounted with size=", () => {
  it("pages beyond it are ENOMEM, and the hint names the mount and nothing else", () => {
    const directory = mkdtempSync(path.join(tmpdir(), "vfio-hugetlbfs-"));
    execFileSync("mount", ["-t", "hugetlbfs", "-o", "pagesize=2M,size=4M", "none", directory]);
    try {
      const { code, hint } = errorOf(() => HugepageMemory.allocate({ bytes: 3 * TWO_MIB, directory }));

      expect(code).toBe("ENOMEM");
      expect(hint).toContain(`${directory} is mounted with size= for 2 pages, 2 of them free`);
      expect(hint).not.toContain("echo");
    } finally {
      execFileSync("umount", [directory]);
      rmdirSync(directory);
    }
  });
});
