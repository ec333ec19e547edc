import { describe, expect, it } from "vitest";
import { createMemoryFile, Mapping, type Kernel } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { CGROUP2, meminfo, memoryCgroup, useFiles } from "./support/fake-files.js";
import { fdsStayAsTheyWere, mapsWith } from "./support/leaks.js";

fdsStayAsTheyWere();

const MIB = 2 ** 20;
const APP = "/sys/fs/cgroup/pods.slice/pod 7/app";

/** Maps so much with all its pages, as far as the machine allows; no page is really taken. */
function take(mib: number, pageBytes = 4096): void {
  const bytes = mib * MIB;
  using file = createMemoryFile({ bytes, pageBytes });
  using _mapping = Mapping.map({ file, bytes, populate: true, name: "the ring" });
}

/** A machine on which taking pages takes none. */
function useMachine(files: Readonly<Record<string, string>>, kernel: Partial<Kernel> = {}): Disposable {
  return useFiles(files, { populate: () => 0, ...kernel });
}

describe("given a machine with 1000 MiB left", () => {
  const machine = { "/proc/meminfo": meminfo(1000) };

  it("fifteen sixteenths may be taken, and more is refused before a page is, with what is left", () => {
    using _kernel = useMachine(machine, { residentBytes: () => 0 });

    take(937);
    const error = errorOf(() => take(938));

    expect(error).toMatchObject({ code: "ERR_VFIO_MEMORY_EXHAUSTED" });
    expect(error.message).toContain("cannot take 938 MiB for the ring");
    expect(error.message).toContain("the machine has 1000 MiB left (MemAvailable), no cgroup limits it");
    expect(error.hint).toContain("OOM killer");
    expect(mapsWith("memfd:vfio-dma")).toEqual([]);
  });

  it("a terabyte is refused without counting its pages", () => {
    const residentBytes = (): never => {
      throw new Error("counted");
    };
    using _kernel = useMachine(machine, { residentBytes });

    expect(errorOf(() => take(2 ** 20)).message).toContain("cannot take 1048576 MiB");
  });

  it("pages that are there already, such as another process's, are not taken again", () => {
    using _kernel = useMachine(machine, { residentBytes: () => 2000 * MIB });

    take(2500);
    expect(errorOf(() => take(3500)).message).toContain("cannot take 1500 MiB");
  });

  it("many small memories count together", () => {
    let left = 1000;
    const readText = (path: string): string => (path === "/proc/meminfo" ? meminfo(left) : "");
    using _kernel = useMachine({}, { readText, residentBytes: () => 0 });

    take(1);
    left = 0;

    let taken = 0;
    const error = errorOf(() => {
      for (; taken < 64; taken++) take(1);
    });
    expect(error).toMatchObject({ code: "ERR_VFIO_MEMORY_EXHAUSTED" });
    expect(taken).toBe(4);
  });

  it("hugepages are of another pool, and files on a disk are given up again: neither is looked at", () => {
    const hugetlbfs = { type: 0x958458f6, blockBytes: 2 * MIB, blocks: 0, freeBlocks: 0 };
    {
      using _kernel = useMachine(machine, { filesystemOf: () => hugetlbfs });
      take(2000);
    }
    using _kernel = useMachine(machine, { seals: () => -22 });
    take(2000);
  });
});

describe("given cgroups with limits", () => {
  const useCgroups = (availableMib: number, ...cgroups: Record<string, string>[]): Disposable => {
    const files = cgroups.reduce((all, each) => ({ ...all, ...each }), CGROUP2);
    const machine = { "/proc/meminfo": meminfo(availableMib), ...files };
    return useMachine(machine, { residentBytes: () => 0 });
  };

  it("the one with the least left counts, whichever ancestor it is, and is named", () => {
    using _kernel = useCgroups(
      1000,
      memoryCgroup(APP, { max: 900, current: 100 }),
      memoryCgroup("/sys/fs/cgroup/pods.slice", { max: 700, current: 500 }),
    );

    take(187);
    const error = errorOf(() => take(188));

    expect(error.message).toContain("the machine has 1000 MiB left (MemAvailable)");
    const limit = "its cgroup 200 MiB (/sys/fs/cgroup/pods.slice/memory.max: 700 MiB, in use 500 MiB)";
    expect(error.message).toContain(limit);
    expect(error.hint).toContain("raise /sys/fs/cgroup/pods.slice/memory.max");
  });

  it("what a cgroup has in its page cache is as good as free", () => {
    using _kernel = useCgroups(1000, memoryCgroup(APP, { max: 500, current: 500, cache: 400 }));

    take(375);
    expect(errorOf(() => take(376))).toMatchObject({ code: "ERR_VFIO_MEMORY_EXHAUSTED" });
  });

  it("one that has less left than the machine blames the cgroup, otherwise the machine is short", () => {
    using _kernel = useCgroups(100, memoryCgroup(APP, { max: 900, current: 100 }));

    expect(errorOf(() => take(101)).hint).toContain("this process or another one");
  });
});

describe("given a machine that does not tell what is left", () => {
  it("memory is taken as ever", () => {
    using _kernel = useMachine({});

    take(2000);
  });
});

describe("given this machine", () => {
  it("a terabyte of ordinary pages is refused, with its own numbers", () => {
    const error = errorOf(() => take(2 ** 20));

    expect(error).toMatchObject({ code: "ERR_VFIO_MEMORY_EXHAUSTED" });
    expect(error.message).toMatch(/the machine has \d+ MiB left/);
  });
});
