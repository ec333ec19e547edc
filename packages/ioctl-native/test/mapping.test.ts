import { mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  errnoOf,
  Fd,
  kernel,
  Mapping,
  openFile,
  realKernel,
  useKernel,
  type VfioError,
} from "../src/index.js";
import { errorOf, expectAllRefused, expectRangeError } from "./support/errors.js";
import { collectGarbageUntil, fdsStayAsTheyWere, mapAt, mapsWith } from "./support/leaks.js";
import { mapMemory, memoryFile } from "./support/memory.js";

fdsStayAsTheyWere();
const PAGE = 4096;

describe("mapping a file", () => {
  it("shares its memory with every other mapping of it, from any page on", () => {
    using file = memoryFile(2 * PAGE);
    using whole = Mapping.map({ file, bytes: 2 * PAGE, name: "both pages" });
    using second = Mapping.map({ file, bytes: PAGE, offset: PAGE, name: "the second page" });
    second.registers.write32(0, 0xcafe);
    expect(new Uint32Array(whole.buffer)[PAGE / 4]).toBe(0xcafe);
    expect(second.bytes).toBe(PAGE);
    expect(mapAt(second.address)).toContain("memfd:vfio-dma");
  });

  it("outlives the file's fd", () => {
    using mapping = mapMemory(PAGE, { populate: true });
    mapping.registers.write8(0, 1);
    expect(mapping.registers.read8(0)).toBe(1);
  });

  const refused = (options: { bytes: unknown; offset?: unknown }): void => {
    using file = memoryFile();
    const map = (): unknown => Mapping.map({ file, name: "BAR 0", ...(options as { bytes: number }) });
    expectRangeError(map, "ERR_VFIO_MAP_RANGE", "of BAR 0");
  };

  it.each([0, -1, 0.5, NaN, 2 ** 53, "4096"])("%s bytes are refused before the kernel sees them", (bytes) =>
    refused({ bytes }),
  );

  it.each([-PAGE, 1, 0.5, NaN, 2 ** 53 - PAGE, "0"])("an offset of %s is refused before it, too", (offset) =>
    refused({ bytes: PAGE, offset }),
  );

  it("beyond the file's end is an error here, and not a SIGBUS at the first touch", () => {
    using file = memoryFile();
    for (const range of [{ bytes: 2 * PAGE }, { bytes: PAGE + 1 }, { bytes: 1, offset: PAGE }]) {
      const error = errorOf(() => Mapping.map({ file, ...range, name: "too much" }));
      expect(error).toMatchObject({ code: "ENXIO", syscall: "mmap" });
      expect(error.hint).toContain("beyond the end of the file");
    }
  });

  it("of an empty file on disk is that error too, and a file's last part page can be mapped", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "vfio-map-"));
    try {
      writeFileSync(path.join(folder, "file"), "");
      using file = new Fd(openSync(path.join(folder, "file"), "r+"), "a file");
      expect(errorOf(() => Mapping.map({ file, bytes: 1, name: "nothing" })).code).toBe("ENXIO");
      truncateSync(path.join(folder, "file"), PAGE + 100);
      using mapping = Mapping.map({ file, bytes: PAGE + 100, name: "a page and some" });
      expect(mapping.buffer.byteLength).toBe(PAGE + 100);
      expect(mapping.registers.read32(PAGE + 96)).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("without a name is called by its fd in errors", () => {
    using file = memoryFile();
    const { fd } = file;
    expect(errorOf(() => Mapping.map({ file, bytes: 8192 })).message).toContain(`8192 bytes of fd ${fd}`);
    expect(errorOf(() => Mapping.map({ file, bytes: 0 })).message).toContain(`of fd ${fd}`);
  });

  it("that can't be mapped, or not for writing, is the kernel's error with its name", () => {
    using pipe = openFile("/proc/self/status", { flags: 0 });
    expect(errorOf(() => Mapping.map({ file: pipe, bytes: PAGE, name: "a status" })).message).toMatch(
      /cannot map 4096 bytes of a status/,
    );
    using readable = openFile(process.execPath, { flags: 0 });
    expect(errorOf(() => Mapping.map({ file: readable, bytes: PAGE, name: "node" })).code).toBe("EACCES");
  });
});

describe("mapping at a wanted address", () => {
  it("happens exactly there when it is free", () => {
    const former = Array.from({ length: 8 }, () => mapMemory(PAGE));
    for (const each of former) each.close();
    const outcomes = former.map(({ address }) => {
      try {
        using mapping = mapMemory(PAGE, { address });
        return mapping.address === address ? "there" : "elsewhere";
      } catch (error) {
        return (error as VfioError).code;
      }
    });
    // Not each of them: V8 and its threads may take such addresses as soon as they are free.
    expect(new Set(outcomes.filter((each) => each !== "EEXIST"))).toEqual(new Set(["there"]));
  });

  it("is EEXIST where something is, which stays as it was and is named", () => {
    using occupant = mapMemory(PAGE);
    occupant.registers.write32(0, 42);
    const error = errorOf(() => mapMemory(PAGE, { address: occupant.address }));
    expect(error).toMatchObject({ code: "EEXIST", syscall: "mmap" });
    expect(error.hint).toMatch(/taken by: .*memfd:vfio-dma/);
    expect(occupant.registers.read32(0)).toBe(42);
  });

  it.each([0n, 1n, -4096n, 2n ** 64n, 4096, "4096", null])("is refused for %s", (address) => {
    expect(errorOf(() => mapMemory(PAGE, { address: address as never })).code).toBe("ERR_VFIO_MAP_RANGE");
  });
});

describe("a read-only mapping", () => {
  it("has read functions only, and populating it takes its pages too", () => {
    using file = memoryFile();
    using writable = Mapping.map({ file, bytes: PAGE, name: "memory" });
    using mapping = Mapping.map({ file, bytes: PAGE, writable: false, populate: true, name: "memory" });
    writable.registers.write32(8, 7);
    expect(mapping.registers.read32(8)).toBe(7);
    expect(Object.keys(mapping.registers)).toEqual(["read8", "read16", "read32", "read64"]);
  });

  it("has no ArrayBuffer, into which a store would be a SIGSEGV", () => {
    using mapping = mapMemory(PAGE, { writable: false });
    const error = errorOf(() => mapping.buffer);
    expect(error.code).toBe("ERR_VFIO_READ_ONLY");
    expect(error.message).toContain("the test's memory is mapped read-only");
  });
});

describe("closing a mapping", () => {
  it("detaches its views, and its registers say that it is closed, saved ones too", () => {
    const mapping = mapMemory(PAGE);
    const { buffer, registers } = mapping;
    const { read32, write64 } = registers;
    const words = new Uint32Array(buffer);
    mapping.close();

    expect(buffer.byteLength).toBe(0);
    expect(words).toHaveLength(0);
    const uses = [
      () => mapping.buffer,
      () => mapping.registers,
      () => mapping.hold("later"),
      () => read32(0),
      () => write64(0, 0n),
      () => registers.read8(0),
    ];
    expectAllRefused(uses, "ERR_VFIO_CLOSED");
    expect(errorOf(() => mapping.buffer).message).toContain("the test's memory is closed");
  });

  it("happens once, however often it is asked for", () => {
    const mapping = mapMemory(PAGE);
    mapping.close();
    mapping.close();
    mapping[Symbol.dispose]();
    expect(mapping.closed).toBe(true);
    expect(kernel().unmap(mapping.handle)).toBe(-9);
    expect(errorOf(() => Mapping.fromHandle(mapping.handle)).message).toContain("It was closed");
  });

  it("gives the file's memory back at once, and the addresses when the last view is garbage", async () => {
    const closeOne = async () => {
      const mapping = mapMemory(8 * PAGE);
      const { buffer, registers, address } = mapping;
      expect(mapsWith("memfd:vfio-dma")).toHaveLength(1);
      mapping.close();
      expect(mapsWith("memfd:vfio-dma")).toEqual([]);
      expect(mapAt(address)).toMatch(/rw-p/);
      await Promise.resolve([buffer, registers]);
      return address;
    };
    const addresses: bigint[] = [];
    for (let time = 0; time < 8; time++) addresses.push(await closeOne());
    // Not every one of them: V8 may take such addresses for its own heap as soon as they are free.
    await collectGarbageUntil(() => addresses.some((each) => mapAt(each) === undefined));
  });

  it("without a view ever made gives the addresses back at once", () => {
    const mappings = Array.from({ length: 8 }, () => mapMemory(PAGE));
    for (const each of mappings) each.close();
    // Not each of them: V8 and its threads may take such addresses as soon as they are free.
    expect(mappings.map(({ address }) => mapAt(address))).toContain(undefined);
  });

  it("is possible after somebody else detached the view", () => {
    const mapping = mapMemory(PAGE);
    kernel().detachView(mapping.buffer);
    expect(() => mapping.close()).not.toThrow();
  });

  it("that the kernel fails to unmap says so, and is closed all the same", () => {
    const mapping = mapMemory(PAGE);
    using _kernel = useKernel({
      ...realKernel(),
      unmap: (handle) => Math.min(realKernel().unmap(handle), errnoOf("EIO")),
    });

    expect(errorOf(() => mapping.close())).toMatchObject({ code: "EIO", syscall: "munmap" });
    expect(mapping.closed).toBe(true);
    mapping.close();
  });
});

describe("memory that somebody relies on", () => {
  it("can't be closed until the last of them lets go, and says who they are", () => {
    const mapping = mapMemory(PAGE);
    const first = mapping.hold("DMA at IOVA 0x1000");
    const second = mapping.hold("a ring");
    const error = errorOf(() => mapping.close());
    expect(error.code).toBe("ERR_VFIO_MAPPING_IN_USE");
    expect(error.message).toContain("in use by DMA at IOVA 0x1000, a ring");
    first[Symbol.dispose]();
    expect(errorOf(() => mapping.close()).message).toContain("in use by a ring.");
    expect(mapping.registers.read8(0)).toBe(0);
    second[Symbol.dispose]();
    mapping.close();
    expect(mapping.closed).toBe(true);
  });

  it("twice for the same reason is held twice, and one letting go twice counts once", () => {
    const mapping = mapMemory(PAGE);
    const [first, second] = [mapping.hold("DMA"), mapping.hold("DMA")];
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(errorOf(() => mapping.close()).message).toContain("in use by DMA.");
    second[Symbol.dispose]();
    mapping.close();
  });
});
