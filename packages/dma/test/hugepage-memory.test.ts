import {
  createMemoryFile,
  errnoOf,
  Fd,
  kernel,
  Mapping,
  openFile,
  realKernel,
  useKernel,
  type Kernel,
} from "@vfio/ioctl-native";
import { errorOf, leavesNothingBehind, rejectionOf, expectError, expectRejection } from "@vfio/test-support";
import { constants } from "node:fs";
import { describe, expect, it } from "vitest";
import { DmaMapper, HugepageMemory, loadAcquire, readPhysicalAddresses, UserMemory } from "../src/index.js";
import { FakeIommu } from "./fake-iommu.js";

leavesNothingBehind();

const PAGE = 4096;
const TWO_MIB = 2 << 20;
const TERABYTE = 2 ** 40;
/** <asm-generic/fcntl.h>, with O_DIRECTORY; Node has no name for it. */
const O_TMPFILE = 0o20200000;

function useReal(others: Partial<Kernel>): Disposable {
  return useKernel({ ...realKernel(), ...others });
}

describe("given a request that makes no sense", () => {
  it.each([
    ["nothing", undefined, "ERR_VFIO_DMA_ARGUMENT", "{ bytes: 2097152 }"],
    ["a number", 4096, "ERR_VFIO_DMA_ARGUMENT", "not 4096"],
    ["no bytes", {}, "ERR_VFIO_MEMORY_SIZE", "not undefined"],
    ["bytes in words", { bytes: "4096" }, "ERR_VFIO_MEMORY_SIZE", "not '4096'"],
    ["a bigint", { bytes: 4096n }, "ERR_VFIO_MEMORY_SIZE", "not 4096n"],
    ["zero bytes", { bytes: 0 }, "ERR_VFIO_MEMORY_SIZE", "above 0; not 0"],
    ["pages in words", { bytes: PAGE, pageBytes: "4096" }, "ERR_VFIO_MEMORY_SIZE", "not '4096'"],
    ["odd pages", { bytes: PAGE, pageBytes: 5000 }, "ERR_VFIO_MEMORY_SIZE", "not 5000"],
    ["small pages", { bytes: PAGE, pageBytes: 2048 }, "ERR_VFIO_MEMORY_SIZE", "from 4096"],
    ["a node in words", { bytes: PAGE, numaNode: "0" }, "ERR_VFIO_NUMA_NODE", "no NUMA node '0'"],
    ["a directory that is none", { bytes: PAGE, directory: 7 }, "ERR_VFIO_NOT_HUGETLBFS", "a path, not 7"],
  ])("%s is refused, and the error says what was expected", (_what, request, code, words) => {
    expectError(() => HugepageMemory.allocate(request as never), `${code} … ${words}`);
  });

  it.each([
    ["an fd's number", 7],
    ["nothing", undefined],
    ["what cannot be closed", { fd: 7 }],
  ])("%s to attach is refused, and the error names Fd", (_what, file) => {
    expectError(() => HugepageMemory.attach(file as never, PAGE, PAGE), "ERR_VFIO_DMA_ARGUMENT … an Fd");
  });

  it.each([7, undefined, { bytes: 4096 }])("%o as memory of one's own is refused", (mapping) => {
    expectError(() => new UserMemory(mapping as never), "ERR_VFIO_DMA_ARGUMENT … a Mapping");
  });

  it.each([
    [undefined, undefined, undefined],
    [0x1000, PAGE, PAGE],
    [0x1800n, PAGE, PAGE],
    [0x1000n, 100, PAGE],
    [0x1000n, PAGE, 100],
    [0x1000n, TWO_MIB, TWO_MIB],
  ])("physical addresses of %s, %s, %s are refused", (address, bytes, pageBytes) => {
    expectError(
      () => readPhysicalAddresses(address as bigint, bytes as number, pageBytes as number),
      "ERR_VFIO_DMA_ARGUMENT",
    );
  });
});

describe("given more ordinary memory than the machine has", () => {
  it.each([
    ["allocated", () => HugepageMemory.allocate({ bytes: TERABYTE, pageBytes: PAGE })],
    ["a mapper's own", () => new DmaMapper(new FakeIommu(), { pageBytes: PAGE }).alloc({ bytes: TERABYTE })],
    [
      "in a pool",
      () => new DmaMapper(new FakeIommu(), { pageBytes: PAGE }).pool({ count: 2 ** 28, bytes: PAGE }),
    ],
    ["attached, whose owner has taken none of it", () => attachSparse(TERABYTE)],
    ["of one's own, about to be pinned", () => userMemory(TERABYTE)],
  ])("%s: it is refused with what is left, before a page is taken", (_what, take) => {
    const error = expectError(take, "ERR_VFIO_MEMORY_EXHAUSTED");
    expect(error.message).toMatch(
      /cannot take 1048576 MiB for .*: the machine has \d+ MiB left \(MemAvailable\)/,
    );
  });

  it("of one's own with its pages taken, it may be as large as it is", () => {
    using file = createMemoryFile({ bytes: 64 * PAGE, pageBytes: PAGE });
    using mapping = Mapping.map({ file, bytes: 64 * PAGE, populate: true, name: "my ring" });
    const readText = (path: string): string =>
      path === "/proc/meminfo" ? "MemTotal: 8192 kB\nMemAvailable: 4 kB\n" : "";
    using _kernel = useReal({ readText });

    expect(new UserMemory(mapping).pageBytes).toBe(PAGE);
  });
});

function attachSparse(bytes: number): HugepageMemory {
  return HugepageMemory.attach(createMemoryFile({ bytes, pageBytes: PAGE }), bytes, PAGE);
}

function userMemory(bytes: number): UserMemory {
  using file = createMemoryFile({ bytes, pageBytes: PAGE });
  using mapping = Mapping.map({ file, bytes, name: "my ring" });
  return new UserMemory(mapping);
}

describe("given memory of another process", () => {
  const memfd = (): Fd => {
    const file = new Fd(kernel().memfdCreate("memory", 0), "memory");
    kernel().truncate(file.fd, PAGE);
    return file;
  };
  const attach = (file: Fd): HugepageMemory => HugepageMemory.attach(file, PAGE, PAGE);

  it("that it sealed, it is attached", () => {
    const file = memfd();
    kernel().sealSize(file.fd);

    using memory = attach(file);

    expect(memory.bytes).toBe(PAGE);
  });

  it("that it may still shrink, it is refused, with the remedy, and its fd is closed", () => {
    const file = memfd();

    expectError(() => attach(file), "ERR_VFIO_MEMORY_NOT_SEALED … F_SEAL_SHRINK");
    expect(file.closed).toBe(true);
  });

  it("in a tmpfs, where nothing can be sealed, it is refused too", () => {
    const file = openFile("/dev/shm", { flags: O_TMPFILE | constants.O_RDWR });
    kernel().truncate(file.fd, PAGE);

    expectError(() => attach(file), "ERR_VFIO_MEMORY_NOT_SEALED");
    expect(file.closed).toBe(true);
  });

  it("in a hugetlbfs, where nothing can be sealed either, it is attached: there is no other way to share it", () => {
    const hugetlbfs = { type: 0x958458f6, blockBytes: TWO_MIB, blocks: 0, freeBlocks: 0 };
    using _kernel = useReal({ seals: () => 1, filesystemOf: () => hugetlbfs, populate: () => 0 });
    const file = memfd();
    kernel().truncate(file.fd, TWO_MIB);

    using memory = HugepageMemory.attach(file, TWO_MIB, TWO_MIB);

    expect(memory.pageBytes).toBe(TWO_MIB);
  });

  it("in hugepages that could be sealed and are not, it is refused", () => {
    const hugetlbfs = { type: 0x958458f6, blockBytes: TWO_MIB, blocks: 0, freeBlocks: 0 };
    using _kernel = useReal({ seals: () => 0, filesystemOf: () => hugetlbfs, populate: () => 0 });

    expectError(() => HugepageMemory.attach(memfd(), TWO_MIB, TWO_MIB), "ERR_VFIO_MEMORY_NOT_SEALED");
  });

  it("that is a file on a disk, it is refused, and its filesystem is asked nothing", () => {
    const asked = (): never => {
      throw new Error("it was asked");
    };
    using _kernel = useReal({ filesystem: asked, filesystemOf: asked, stat: asked });
    const file = openFile("/etc/hostname", { flags: constants.O_RDONLY });

    expectError(() => attach(file), "ERR_VFIO_NOT_MEMORY");
    expect(file.closed).toBe(true);
  });

  it.each([0.5, "4096", undefined, PAGE + 1])("%s bytes of it are no whole pages", (bytes) => {
    const file = memfd();
    kernel().sealSize(file.fd);

    expectError(() => HugepageMemory.attach(file, bytes as number, PAGE), "ERR_VFIO_MEMORY_SIZE");
    expect(file.closed).toBe(true);
  });
});

describe("given hugepages that are not to be had", () => {
  it("the error is the failed call's, also where nothing can be read for a hint", () => {
    using _kernel = useReal({
      memfdCreate: (name) => realKernel().memfdCreate(name, 0),
      map: () => errnoOf("ENOMEM"),
      readText: () => errnoOf("EACCES"),
      list: () => errnoOf("EMFILE"),
    });

    expectError(() => HugepageMemory.allocate({ bytes: TWO_MIB }), "ENOMEM", {
      syscall: "mmap",
      hint: undefined,
    });
  });

  it("the hint counts them when the failed attempt has given back what it had", () => {
    let file = -1;
    const open: boolean[] = [];
    using _kernel = useReal({
      memfdCreate: (name) => (file = realKernel().memfdCreate(name, 0)),
      bindMapping: () => 0,
      populate: () => errnoOf("ENOMEM"),
      filesystemOf: () => ({ type: 0x958458f6, blockBytes: TWO_MIB, blocks: 0, freeBlocks: 0 }),
      readText: (path) => (
        open.push(realKernel().seals(file) >= 0),
        path.endsWith("nr_hugepages") ? "8" : "1"
      ),
    });

    expectError(
      () => HugepageMemory.allocate({ bytes: 4 * TWO_MIB }),
      "ENOMEM … 8 reserved, 0 free, 4 needed",
      { syscall: "madvise" },
    );
    expect(open).not.toContain(true);
  });
});

describe.each([16384, 65536])("given a kernel with pages of %i bytes", (page) => {
  const usePages = (others: Partial<Kernel> = {}): Disposable =>
    useReal({ pageBytes: () => page, ...others });

  it("memory in ordinary pages has them, rounded up", () => {
    using _kernel = usePages();
    using memory = HugepageMemory.allocate({ bytes: page + 1, pageBytes: page });
    using mapping = Mapping.map({ file: memory, bytes: page, name: "a part" });

    expect(memory.bytes).toBe(2 * page);
    expect(new UserMemory(mapping).pageBytes).toBe(page);
  });

  it("physical addresses are read from that kernel's table: one entry for each of its pages", () => {
    const reads: unknown[] = [];
    using _kernel = usePages({
      preadStrided: (_fd, bytes, width, offset, stride) => {
        reads.push({ width, offset, stride });
        const entries = new BigUint64Array(bytes.buffer);
        entries.forEach((_, at) => (entries[at] = (1n << 63n) | BigInt(0x100 + at * (TWO_MIB / page))));
        return entries.length;
      },
    });

    const addresses = readPhysicalAddresses(0x40000000n, 2 * TWO_MIB, TWO_MIB);

    expect(reads).toEqual([{ width: 8, offset: (0x40000000 / page) * 8, stride: (TWO_MIB / page) * 8 }]);
    expect(addresses).toEqual([BigInt(0x100 * page), BigInt(0x100 * page + TWO_MIB)]);
  });

  it("a page that is not there has no physical address: the error names the page", () => {
    using _kernel = usePages({
      preadStrided: (_fd, bytes) => {
        new BigUint64Array(bytes.buffer).set([(1n << 63n) | 0x100n, 0x200n]);
        return 2;
      },
    });

    expectError(
      () => readPhysicalAddresses(0x40000000n, 2 * page, page),
      `ERR_VFIO_PAGE_NOT_PRESENT … the page at 0x${(0x40000000 + page).toString(16)} is not in memory`,
    );
  });
});

describe("given a pagemap that cannot be read", () => {
  it("the failed read is the error, and that the file could not be closed either is told with it", () => {
    const { close } = realKernel();
    using _kernel = useReal({
      preadStrided: () => errnoOf("ENOMEM"),
      close: (fd) => (close(fd), errnoOf("EIO")),
    });

    expectError(
      () => readPhysicalAddresses(0x1000n, PAGE, PAGE),
      "ENOMEM … ; and undoing the earlier steps failed: cannot close",
      { suppressed: [{ code: "EIO" }] },
    );
  });

  it.each([
    ["EACCES", "CAP_SYS_ADMIN"],
    ["EPERM", "CAP_SYS_ADMIN"],
    ["ENOENT", "CONFIG_PROC_PAGE_MONITOR"],
    ["EMFILE", undefined],
  ] as const)("%s has the remedy for that, or none", (code, words) => {
    using _kernel = useReal({ open: () => errnoOf(code) });

    const { hint } = errorOf(() => readPhysicalAddresses(0x1000n, PAGE, PAGE));

    if (words === undefined) expect(hint).toBe(undefined);
    else expect(hint).toContain(words);
  });
});

describe("given memory that is allocated off the event loop", () => {
  const options = { bytes: 3 * PAGE, pageBytes: PAGE };

  it("it is there when the promise is, and the event loop turns meanwhile", async () => {
    let turns = 0;
    const timer = setImmediate(() => turns++);
    using memory = await HugepageMemory.allocateAsync({ bytes: 32 << 20, pageBytes: PAGE });
    clearImmediate(timer);

    expect([memory.bytes, turns]).toEqual([32 << 20, 1]);
    expect(new Uint8Array(memory.buffer).at(-1)).toBe(0);
  });

  it.each([
    ["wrong arguments", undefined, "ERR_VFIO_DMA_ARGUMENT"],
    ["too much", { bytes: TERABYTE, pageBytes: PAGE }, "ERR_VFIO_MEMORY_EXHAUSTED"],
  ])("%s reject it", async (_what, request, code) => {
    await expectRejection(HugepageMemory.allocateAsync(request as never), code);
  });

  it("pages that are not to be had reject it, with the call, and nothing is left", async () => {
    using _kernel = useReal({ populateAsync: () => Promise.resolve(errnoOf("ENOMEM")) });

    await expectRejection(HugepageMemory.allocateAsync(options), "ENOMEM", { syscall: "madvise" });
  });

  it.each([
    ["before", true],
    ["meanwhile", false],
  ])("aborted %s, it rejects with the reason, and nothing is left", async (_when, atOnce) => {
    const controller = new AbortController();
    const reason = new Error("no time");
    if (atOnce) controller.abort(reason);
    const promise = HugepageMemory.allocateAsync({ ...options, signal: controller.signal });
    controller.abort(reason);

    expect(await rejectionOf(promise)).toBe(reason);
  });
});

describe("given memory that a device writes", () => {
  it("a word of it is loaded as it is there now, signed", () => {
    using memory = HugepageMemory.allocate({ bytes: PAGE, pageBytes: PAGE });
    using device = Mapping.map({ file: memory, bytes: PAGE, name: "the device's view" });
    const words = new Int32Array(memory.buffer);

    device.registers.write32(8, 0x8000_0001);

    expect(loadAcquire(words, 2)).toBe(0x8000_0001 | 0);
    expect(loadAcquire(words, 1)).toBe(0);
  });

  it("of closed memory there is no word", () => {
    const memory = HugepageMemory.allocate({ bytes: PAGE, pageBytes: PAGE });
    const words = new Int32Array(memory.buffer);
    memory.close();

    expect(() => loadAcquire(words, 0)).toThrow(Error);
  });
});
