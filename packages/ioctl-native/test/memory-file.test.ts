import { execFileSync } from "node:child_process";
import {
  existsSync,
  fstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMemoryFile, kernel, Mapping, VfioSystemError } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere, mapsWith } from "./support/leaks.js";

const PAGE = 4096;
const HUGE = 2 * 2 ** 20;
const RESERVED = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
fdsStayAsTheyWere();

/** Root may have hugepages reserved; they are given back whatever happens. */
const isRoot = process.getuid?.() === 0;
function withHugepages(pages: number, use: () => void): void {
  const before = readFileSync(RESERVED, "utf8");
  writeFileSync(RESERVED, String(Number(before) + pages));
  try {
    use();
  } finally {
    writeFileSync(RESERVED, before);
  }
}

describe("a memory file of ordinary pages", () => {
  it("has its size, is zero, and is anonymous", () => {
    using file = createMemoryFile({ bytes: 3 * PAGE, pageBytes: PAGE });
    expect(fstatSync(file.fd)).toMatchObject({ size: 3 * PAGE, nlink: 0 });
  });

  it("can't be shrunk under a mapping by anyone who has its fd", () => {
    using file = createMemoryFile({ bytes: PAGE, pageBytes: PAGE });
    using mapping = Mapping.map({ file, bytes: PAGE, name: "memory" });
    expect(kernel().truncate(file.fd, 0)).toBe(-1); // EPERM
    expect(mapping.registers.read32(PAGE - 4)).toBe(0);
  });

  it.each([
    [0, PAGE],
    [-PAGE, PAGE],
    [PAGE + 1, PAGE],
    [PAGE / 2, PAGE],
    [NaN, PAGE],
    [2 ** 60, PAGE],
    [PAGE, HUGE],
    [PAGE, 0],
    [PAGE, 2048],
    [3 * PAGE, 3 * PAGE],
    [PAGE, NaN],
    [PAGE, -PAGE],
    [Infinity, Infinity],
  ])("%d bytes in pages of %d are refused before the kernel sees them", (bytes, pageBytes) => {
    const error = errorOf(() => createMemoryFile({ bytes, pageBytes }));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe("ERR_VFIO_MEMORY_SIZE");
    expect(error.message).toContain(`${bytes} bytes in pages of ${pageBytes}`);
  });

  it("of a page size that this machine lacks is an error with the caller's remedy", () => {
    const hint = (): string => "use 2 MiB";
    const error = errorOf(() => createMemoryFile({ bytes: 2 ** 40, pageBytes: 2 ** 40, hint }));
    expect(error).toBeInstanceOf(VfioSystemError);
    expect(error).toMatchObject({ code: "ENODEV", syscall: "memfd_create", hint: "use 2 MiB" });
  });
});

describe("hugepages of which none are reserved", () => {
  const GIGANTIC = 2 ** 30; // nobody reserves these by the way
  const hasSize = existsSync("/sys/kernel/mm/hugepages/hugepages-1048576kB");

  it("are an error with errno, call and remedy, and no SIGBUS later", () => {
    const hint = (): string => "echo 1 > nr_hugepages";
    const error = errorOf(() => {
      using file = createMemoryFile({ bytes: GIGANTIC, pageBytes: GIGANTIC, hint });
      Mapping.map({ file, bytes: GIGANTIC, name: "DMA memory", hint });
    });
    expect(error).toMatchObject(
      hasSize ? { code: "ENOMEM", syscall: "mmap" } : { code: "ENODEV", syscall: "memfd_create" },
    );
    expect(error.message).toContain("1073741824 bytes of");
    expect(error.hint).toBe("echo 1 > nr_hugepages");
  });
});

describe.runIf(isRoot)("hugepages that root has reserved", () => {
  it("are mapped, used, and given back", () => {
    withHugepages(2, () => {
      using file = createMemoryFile({ bytes: 2 * HUGE, pageBytes: HUGE });
      using mapping = Mapping.map({ file, bytes: 2 * HUGE, name: "DMA memory", populate: true });
      mapping.registers.write32(2 * HUGE - 4, 7);
      expect(new Uint32Array(mapping.buffer).at(-1)).toBe(7);
    });
    expect(mapsWith("memfd:vfio-dma")).toEqual([]);
  });

  it("are mapped whole even if only a part is asked for, and closing gives all of it back", () => {
    withHugepages(1, () => {
      using file = createMemoryFile({ bytes: HUGE, pageBytes: HUGE });
      const mapping = Mapping.map({ file, bytes: PAGE, name: "part of a hugepage" });
      mapping.registers.write32(0, 1);
      expect(errorOf(() => mapping.registers.read32(PAGE)).code).toBe("ERR_VFIO_REGISTER_OFFSET");
      mapping.close();
      expect(mapsWith("memfd:vfio-dma")).toEqual([]);
    });
  });
});

describe.runIf(isRoot)("a hugetlbfs directory", () => {
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

  it("that is an ordinary folder is refused: its pages would be a disk's", () => {
    const error = errorOf(() => createMemoryFile({ bytes: HUGE, pageBytes: HUGE, directory: tmpdir() }));
    expect(error.code).toBe("ERR_VFIO_NOT_HUGETLBFS");
    expect(error.message).toContain("it is not a hugetlbfs");
  });

  it("that does not exist is an error with its path", () => {
    const missing = path.join(directory, "missing");
    const error = errorOf(() => createMemoryFile({ bytes: HUGE, pageBytes: HUGE, directory: missing }));
    expect(error).toMatchObject({ code: "ENOENT", path: missing });
  });
});
