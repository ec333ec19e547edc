import { execFileSync } from "node:child_process";
import { fstatSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { leavesNothingBehind } from "@vfio/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMemoryFile, Mapping, VfioSystemError } from "../../src/index.js";
import { errorOf } from "../support/errors.js";
import { mapsWith } from "../support/leaks.js";

const PAGE = 4096;
const HUGE = 2 * 2 ** 20;
leavesNothingBehind();

function freePages(): number {
  return Number(readFileSync("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "utf8"));
}

describe("hugepages of a size that this machine lacks", () => {
  it("are an error with errno, call and remedy", () => {
    const hint = (): string => "use 2 MiB";
    const error = errorOf(() => createMemoryFile({ bytes: 2 ** 40, pageBytes: 2 ** 40, hint }));
    expect(error).toBeInstanceOf(VfioSystemError);
    expect(error).toMatchObject({ code: "ENODEV", syscall: "memfd_create", hint: "use 2 MiB" });
  });
});

describe("one hugepage more than are reserved", () => {
  it("is an error with errno, call and remedy, and no SIGBUS later", () => {
    const bytes = (freePages() + 1) * HUGE;
    const hint = (): string => "echo 1 > nr_hugepages";
    using file = createMemoryFile({ bytes, pageBytes: HUGE, hint });
    const error = errorOf(() => Mapping.map({ file, bytes, name: "DMA memory", hint }));
    expect(error).toMatchObject({ code: "ENOMEM", syscall: "mmap", hint: "echo 1 > nr_hugepages" });
    expect(error.message).toContain(`${bytes} bytes of`);
  });
});

describe("hugepages that root has reserved", () => {
  it("are mapped, used, and given back", () => {
    const before = freePages();
    {
      using file = createMemoryFile({ bytes: 2 * HUGE, pageBytes: HUGE });
      using mapping = Mapping.map({ file, bytes: 2 * HUGE, name: "DMA memory", populate: true });
      mapping.registers.write32(2 * HUGE - 4, 7);
      expect(new Uint32Array(mapping.buffer).at(-1)).toBe(7);
      expect(freePages()).toBe(before - 2);
    }
    expect(mapsWith("memfd:vfio-dma")).toEqual([]);
    expect(freePages()).toBe(before);
  });

  it("are mapped whole even if only a part is asked for, and closing gives all of it back", () => {
    using file = createMemoryFile({ bytes: HUGE, pageBytes: HUGE });
    const mapping = Mapping.map({ file, bytes: PAGE, name: "part of a hugepage" });
    mapping.registers.write32(0, 1);
    expect(errorOf(() => mapping.registers.read32(PAGE)).code).toBe("ERR_VFIO_REGISTER_OFFSET");
    mapping.close();
    expect(mapsWith("memfd:vfio-dma")).toEqual([]);
  });
});

describe("a hugetlbfs directory", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "vfio-hugetlbfs-"));
  beforeAll(() => {
    execFileSync("mount", ["-t", "hugetlbfs", "-o", "pagesize=2M", "none", directory]);
  });
  afterAll(() => {
    execFileSync("umount", [directory]);
    rmdirSync(directory);
  });

  it("gives a file that has no name from the start", () => {
    using file = createMemoryFile({ bytes: HUGE, pageBytes: HUGE, directory });
    expect(fstatSync(file.fd)).toMatchObject({ size: HUGE, nlink: 0, blksize: HUGE });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("with pages of another size is refused, with both sizes and the remedy", () => {
    const pageBytes = 2 ** 30;
    const error = errorOf(() => createMemoryFile({ bytes: pageBytes, pageBytes, directory }));
    expect(error.code).toBe("ERR_VFIO_NOT_HUGETLBFS");
    expect(error.message).toMatch(/pages of 1073741824 bytes from .*: it has pages of 2097152/);
    expect(error.hint).toContain("mount -t hugetlbfs -o pagesize=1073741824");
  });
});
