import { constants, fstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createMemoryFile,
  Fd,
  kernel,
  Mapping,
  openFile,
  pageBytesOf,
  realKernel,
  useKernel,
  VfioSystemError,
  type FilesystemInfo,
  type Kernel,
  type MemoryFailure,
} from "../src/index.js";
import { isAnonymousMemory, sizeGuaranteeOf } from "../src/internal.js";
import { isOrdinaryMemory } from "../src/memory/memory-file.js";
import { errorOf, expectAllRefused, expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere, openFds } from "./support/leaks.js";
import { memoryFile } from "./support/memory.js";

const PAGE = 4096;
const HUGE = 2 * 2 ** 20;
const ENODEV = 19;
/** <asm-generic/fcntl.h>, with O_DIRECTORY; Node has no name for it. */
const O_TMPFILE = 0o20200000;
const HUGETLBFS_MAGIC = 0x958458f6;
fdsStayAsTheyWere();

const filesystem = (type: number): FilesystemInfo => ({ type, blockBytes: HUGE, blocks: 0, freeBlocks: 0 });
const callAndErrno = ({ syscall, errno }: MemoryFailure): string => `${syscall} ${errno}`;

describe("a memory file of ordinary pages", () => {
  it("has its size, is zero, and is anonymous", () => {
    using file = createMemoryFile({ bytes: 3 * PAGE, pageBytes: PAGE });
    expect(fstatSync(file.fd)).toMatchObject({ size: 3 * PAGE, nlink: 0 });
  });

  it("can't be shrunk under a mapping by anyone who has its fd", () => {
    using file = memoryFile();
    using mapping = Mapping.map({ file, bytes: PAGE, name: "memory" });
    expect(kernel().truncate(file.fd, 0)).toBe(-1); // EPERM
    expect(mapping.registers.read32(PAGE - 4)).toBe(0);
  });

  it.each<[unknown, unknown[]]>([
    [PAGE, [0, -PAGE, PAGE + 1, PAGE / 2, NaN, 2 ** 60, "4096"]],
    [HUGE, [PAGE]],
    [0, [PAGE]],
    [2048, [PAGE]],
    [3 * PAGE, [3 * PAGE]],
    [NaN, [PAGE]],
    [-PAGE, [PAGE]],
    [Infinity, [Infinity]],
    ["4096", [PAGE]],
    [undefined, [undefined]],
  ])("in pages of %s: %o bytes are refused before the kernel sees them", (pageBytes, lengths) => {
    for (const bytes of lengths)
      expectRangeError(
        () => createMemoryFile({ bytes, pageBytes } as never),
        "ERR_VFIO_MEMORY_SIZE",
        `${inspect(bytes)} bytes in pages of ${inspect(pageBytes)}`,
        "a power of two from 4096",
      );
  });

  it("without options it says what they are", () => {
    expect(errorOf(() => createMemoryFile(undefined as never)).code).toBe("ERR_VFIO_MEMORY_SIZE");
  });

  it.each([
    ["memfd_create", { memfdCreate: () => -24 }, "EMFILE"],
    ["ftruncate", { truncate: () => -27 }, "EFBIG"],
    ["fcntl", { sealSize: () => -1 }, "EPERM"],
  ])("a failing %s is told to the hint, with its errno", (syscall, failing, code) => {
    using _kernel = useKernel({ ...realKernel(), ...failing });
    const error = errorOf(() => createMemoryFile({ bytes: PAGE, pageBytes: PAGE, hint: callAndErrno }));
    expect(error).toMatchObject({ code, syscall, hint: `${syscall} ${(error as VfioSystemError).errno}` });
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
  let folder = "";
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "vfio-hugetlbfs-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Makes a file there, as if a hugetlbfs were mounted on it. */
  function make(bytes: number, failing: Partial<Kernel> = {}, pageBytes = HUGE): Fd {
    using _kernel = useKernel({ ...realKernel(), filesystem: () => filesystem(HUGETLBFS_MAGIC), ...failing });
    return createMemoryFile({ bytes, pageBytes, directory: folder, hint: callAndErrno });
  }

  it("that is a hugetlbfs with pages of another size is refused, with both sizes and the remedy", () => {
    const error = errorOf(() => make(2 ** 30, {}, 2 ** 30));
    expect(error.code).toBe("ERR_VFIO_NOT_HUGETLBFS");
    expect(error.message).toContain(`pages of 1073741824 bytes from ${folder}: it has pages of 2097152`);
    expect(error.hint).toContain("mount -t hugetlbfs -o pagesize=1073741824");
  });

  it("gives a file of its own, which has its size and no name from the beginning", () => {
    using file = make(2 * HUGE);
    using other = make(HUGE);
    expect(fstatSync(file.fd)).toMatchObject({ size: 2 * HUGE, nlink: 0 });
    expect(fstatSync(other.fd)).toMatchObject({ size: HUGE, nlink: 0 });
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each<[string, Partial<Kernel>, object]>([
    ["no file be made: the hint is told", { open: () => -28 }, { code: "ENOSPC", hint: "open -28" }],
    ["no file have its size", { truncate: () => -27 }, { code: "EFBIG", syscall: "ftruncate" }],
  ])("that lets %s, and it is left empty", (_what, failing, expected) => {
    const before = openFds();
    expect(errorOf(() => make(HUGE, failing))).toMatchObject(expected);
    expect([readdirSync(folder), openFds()]).toEqual([[], before]);
  });

  it("that lets no file be removed: the error names it, and its fd is closed", () => {
    const before = openFds();
    const error = errorOf(() => make(HUGE, { unlink: () => -1 }));
    const [name = ""] = readdirSync(folder);
    expect(error).toMatchObject({ code: "EPERM", syscall: "unlink", path: path.join(folder, name) });
    expect(openFds()).toEqual(before);
  });

  const makeIn = (directory: unknown) => () =>
    createMemoryFile({ bytes: HUGE, pageBytes: HUGE, directory: directory as string });

  it.each(["", 7, null])("of %j is refused, which is no path", (directory) => {
    expect(errorOf(makeIn(directory))).toMatchObject({ code: "ERR_VFIO_NOT_HUGETLBFS" });
  });

  it("that is an ordinary folder is refused: its pages would be a disk's", () => {
    const error = errorOf(makeIn(tmpdir()));
    expect(error.code).toBe("ERR_VFIO_NOT_HUGETLBFS");
    expect(error.message).toContain("it is not a hugetlbfs");
  });

  it("that does not exist is an error with its path", () => {
    const absent = path.join(folder, "absent");
    expect(errorOf(makeIn(absent))).toMatchObject({ code: "ENOENT", path: absent });
  });
});

describe("a file that came from somebody else", () => {
  const F_SEAL_SEAL = 1;
  const memfd = (): Fd => new Fd(kernel().memfdCreate("vfio-dma", 0), "a memory file");

  it("of createMemoryFile is anonymous memory, sealed", () => {
    using file = memoryFile();
    expect([isAnonymousMemory(file), sizeGuaranteeOf(file), pageBytesOf(file)]).toEqual([
      true,
      "sealed",
      PAGE,
    ]);
  });

  it("of memfd_create alone may still shrink", () => {
    using file = memfd();
    expect([isAnonymousMemory(file), sizeGuaranteeOf(file)]).toEqual([true, "not sealed"]);
    kernel().sealSize(file.fd);
    expect(sizeGuaranteeOf(file)).toBe("sealed");
  });

  it("in a tmpfs is not anonymous, whatever its name, and cannot be sealed", () => {
    using file = openFile("/dev/shm", { flags: O_TMPFILE | constants.O_RDWR });
    const readLink = (): string => "/memfd:vfio-dma (deleted)";
    using _kernel = useKernel({ ...realKernel(), readLink });
    expect(kernel().seals(file.fd)).toBe(F_SEAL_SEAL);
    expect([isAnonymousMemory(file), sizeGuaranteeOf(file)]).toEqual([false, "not sealable"]);
  });

  it.each(["/etc/hostname", "/proc/self/status", "/dev/null"])(
    "such as %s is no memory, and its filesystem, which might never answer, is asked nothing",
    (path) => {
      using file = openFile(path, { flags: constants.O_RDONLY });
      const asked = (): never => {
        throw new Error("it was asked");
      };
      using _kernel = useKernel({ ...realKernel(), filesystem: asked, filesystemOf: asked, stat: asked });
      expect([isAnonymousMemory(file), sizeGuaranteeOf(file), pageBytesOf(file)]).toEqual([
        false,
        "no memory",
        PAGE,
      ]);
    },
  );

  it.each([
    [HUGETLBFS_MAGIC, HUGE],
    [0x01021994, PAGE],
  ])("in a filesystem of type %i has pages of %i bytes", (type, expected) => {
    using file = memoryFile();
    using _kernel = useKernel({ ...realKernel(), filesystemOf: () => filesystem(type) });
    expect([pageBytesOf(file), isOrdinaryMemory(file)]).toEqual([expected, expected === PAGE]);
  });

  it("whose filesystem cannot be asked is an error, where its page size is wanted", () => {
    using file = memoryFile();
    using _kernel = useKernel({ ...realKernel(), filesystemOf: () => -5 });
    expect(errorOf(() => pageBytesOf(file))).toMatchObject({ code: "EIO", syscall: "fstatfs" });
    expect(isOrdinaryMemory(file)).toBe(false);
  });

  it("on a disk is no ordinary memory: taking its pages uses up none", () => {
    using file = openFile("/etc/hostname", { flags: constants.O_RDONLY });
    expect(isOrdinaryMemory(file)).toBe(false);
  });

  it("that is not open is EBADF", () => {
    const file = { fd: 2 ** 30 };
    expectAllRefused([() => sizeGuaranteeOf(file), () => isAnonymousMemory(file)], "EBADF");
  });
});
