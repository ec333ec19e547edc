import { fstatSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { createMemoryFile, kernel, Mapping, realKernel, useKernel, VfioSystemError } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

const PAGE = 4096;
const HUGE = 2 * 2 ** 20;
const ENODEV = 19;
const HUGETLBFS_MAGIC = 0x958458f6;
fdsStayAsTheyWere();

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

  it("of a page size that the kernel does not have is an error with the caller's remedy", () => {
    const flags: number[] = [];
    const memfdCreate = (_name: string, flag: number): number => {
      flags.push(flag);
      return -ENODEV;
    };
    using _kernel = useKernel({ ...realKernel(), memfdCreate });
    const hint = (): string => "use 2 MiB";
    const error = errorOf(() => createMemoryFile({ bytes: 2 ** 40, pageBytes: 2 ** 40, hint }));
    expect(error).toBeInstanceOf(VfioSystemError);
    expect(error).toMatchObject({ code: "ENODEV", syscall: "memfd_create", hint: "use 2 MiB" });
    expect(flags).toEqual([4 + 40 * 2 ** 26]); // MFD_HUGETLB, and log2 of the size from bit 26 on
  });
});

describe("a directory for hugepages", () => {
  it("that is a hugetlbfs with pages of another size is refused, with both sizes and the remedy", () => {
    const filesystem = (): { type: number; blockBytes: number } => ({
      type: HUGETLBFS_MAGIC,
      blockBytes: HUGE,
    });
    using _kernel = useKernel({ ...realKernel(), filesystem });
    const options = { bytes: 2 ** 30, pageBytes: 2 ** 30, directory: "/mnt/huge" };
    const error = errorOf(() => createMemoryFile(options));
    expect(error.code).toBe("ERR_VFIO_NOT_HUGETLBFS");
    expect(error.message).toContain("pages of 1073741824 bytes from /mnt/huge: it has pages of 2097152");
    expect(error.hint).toContain("mount -t hugetlbfs -o pagesize=1073741824");
  });

  it("that is an ordinary folder is refused: its pages would be a disk's", () => {
    const error = errorOf(() => createMemoryFile({ bytes: HUGE, pageBytes: HUGE, directory: tmpdir() }));
    expect(error.code).toBe("ERR_VFIO_NOT_HUGETLBFS");
    expect(error.message).toContain("it is not a hugetlbfs");
  });

  it("that does not exist is an error with its path", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "vfio-hugetlbfs-"));
    rmdirSync(folder);
    const error = errorOf(() => createMemoryFile({ bytes: HUGE, pageBytes: HUGE, directory: folder }));
    expect(error).toMatchObject({ code: "ENOENT", path: folder });
  });
});
