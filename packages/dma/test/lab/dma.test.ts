import { finished, errorOf, processState } from "@vfio/test-support";
import { openFile, readIommuInfo } from "@vfio/ioctl-native";
import { mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countHugepages, DmaMapper, HugepageMemory, Type1Iommu } from "../../src/index.js";
import { foreignContainer } from "./machine.js";

const MIB = 1 << 20;
const TWO_MIB = 2 * MIB;

let before: ReturnType<typeof processState>;
beforeEach(() => {
  before = processState();
});
afterEach(() => {
  expect(processState()).toEqual(before);
});

describe("given a machine with 2 MiB hugepages", () => {
  it("memory is rounded up to whole pages, zeroed, and there in full", () => {
    using memory = HugepageMemory.allocate({ bytes: 3 * MIB });

    expect(memory.bytes).toBe(4 * MIB);
    expect(memory.buffer.byteLength).toBe(4 * MIB);
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
    expect(countHugepages(TWO_MIB)).toMatchObject({ reserved: 256, available: 254 });
  });

  it("each page has a physical address, aligned to its size, and none has another's", () => {
    using memory = HugepageMemory.allocate({ bytes: 8 * TWO_MIB });

    const addresses = memory.physicalAddresses();

    expect(addresses).toHaveLength(8);
    expect(addresses.every((address) => address > 0n && address % BigInt(TWO_MIB) === 0n)).toBe(true);
    expect(new Set(addresses).size).toBe(8);
  });

  it("memory from a hugetlbfs directory leaves no file behind", () => {
    const directory = mkdtempSync(path.join(tmpdir(), "vfio-dma-"));
    expect(finished("mount", ["-t", "hugetlbfs", "none", directory]).status).toBe(0);
    try {
      using memory = HugepageMemory.allocate({ bytes: TWO_MIB, directory });
      expect(memory.physicalAddresses()).toHaveLength(1);
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      expect(finished("umount", [directory]).status).toBe(0);
      rmdirSync(directory);
    }
  });

  it("another process's memory, attached by its fd, is the same memory", () => {
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using attached = HugepageMemory.attach(
      openFile(`/proc/self/fd/${memory.fd}`),
      memory.bytes,
      memory.pageBytes,
    );

    new Uint32Array(memory.buffer)[5] = 0xcafe;

    expect(new Uint32Array(attached.buffer)[5]).toBe(0xcafe);
    expect(attached.physicalAddresses()).toEqual(memory.physicalAddresses());
  });

  it("asked for more than there is: the error counts what is reserved, free and needed, and tells the command", () => {
    const error = errorOf(() => HugepageMemory.allocate({ bytes: 1000 * TWO_MIB }));

    expect(error).toMatchObject({ code: "ENOMEM", syscall: "mmap" });
    expect(error.message).toContain("256 reserved, 256 free, 1000 needed");
    expect(error.hint).toContain("echo 1000 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
  });

  it("used up by others: the error counts what is left", () => {
    using _most = HugepageMemory.allocate({ bytes: 250 * TWO_MIB });

    const error = errorOf(() => HugepageMemory.allocate({ bytes: 10 * TWO_MIB }));

    expect(error.message).toContain("256 reserved, 6 free, 10 needed");
    expect(error.hint).toContain("echo 260 >");
  });

  it("a page size of which none is reserved, and one that the machine does not have", () => {
    expect(errorOf(() => HugepageMemory.allocate({ bytes: 1, pageBytes: 1 << 30 })).message).toContain(
      "0 reserved",
    );
    expect(errorOf(() => HugepageMemory.allocate({ bytes: 1, pageBytes: 4 * MIB })).message).toContain(
      "This machine has no pages of 4194304 bytes",
    );
    expect(errorOf(() => HugepageMemory.allocate({ bytes: 1, pageBytes: 5000 }))).toMatchObject({
      code: "ERR_VFIO_MEMORY_SIZE",
    });
  });

  it("used after close: buffer, fd and physical addresses say so; closing twice does nothing", () => {
    const memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    const view = new Uint8Array(memory.buffer);
    memory.close();
    memory.close();

    for (const use of [() => memory.buffer, () => memory.fd, () => memory.physicalAddresses()]) {
      expect(errorOf(use)).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    }
    expect(view.byteLength).toBe(0);
  });
});

describe("given somebody's container with a group in it", () => {
  it("IOVA = PA: every page is mapped at its physical address, in as few mappings as there are runs", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 32 * TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "physical" });
    const mapping = mapper.map(memory);

    memory.physicalAddresses().forEach((address, page) => {
      expect(mapping.iovaOf(page * TWO_MIB, TWO_MIB)).toBe(address);
    });
    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65535 - mapping.segments.length);
    expect(processState().locked).toBe("65536 kB");
  });

  it("IOVA = VA: one mapping at the memory's own address", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 4 * TWO_MIB });
    // The lab's IOMMU has 39 bits and virtual addresses have 47: the mapper must say so before the kernel does.
    using mapper = new DmaMapper(foreign.container, { iova: "virtual" });

    const error = errorOf(() => mapper.map(memory));

    expect(error).toMatchObject({ code: "ERR_VFIO_IOVA_OUT_OF_RANGE" });
    expect(error.message).toContain("0x7fffffffff");
  });

  it("unmapping gives back the container's mapping and the pinned pages", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 4 * TWO_MIB });
    using mapper = new DmaMapper(foreign.container);
    mapper.map(memory).unmap();

    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65535);
    expect(processState().locked).toBe("0 kB");
  });

  it("mapped memory refuses to close, and names the mapping", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container);
    mapper.map(memory, { iova: 0x1000_0000n });

    const error = errorOf(() => memory.close());

    expect(error).toMatchObject({ code: "ERR_VFIO_MAPPING_IN_USE" });
    expect(error.message).toContain("IOVA [0x10000000, 0x101fffff]");
  });

  it("the window of message-signalled interrupts is refused with the ranges that are usable", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container);

    const error = errorOf(() => mapper.map(memory, { iova: 0xfee00000n }));

    expect(error).toMatchObject({ code: "ERR_VFIO_IOVA_OUT_OF_RANGE" });
    expect(error.message).toContain("[0x0, 0xfedfffff], [0xfef00000, 0x7fffffffff]");
  });

  it("a range that another library mapped is EEXIST, and what was mapped before the collision is undone", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 2 * TWO_MIB });
    using other = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container);
    using stranger = new DmaMapper(foreign.container);
    stranger.map(other, { iova: 0x2000_0000n });

    const error = errorOf(() => mapper.map(memory, { iova: 0x1fe0_0000n }));

    expect(error).toMatchObject({ code: "EEXIST", ioctl: "VFIO_IOMMU_MAP_DMA" });
    expect(error.message).toContain("[0x1fe00000, 0x201fffff]");
    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65534);
  });

  it("a mapping that somebody else took back: unmap says that nothing was left of it, and the memory is free", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container);
    const mapping = mapper.map(memory, { iova: 0x1000_0000n });
    new Type1Iommu(foreign.container).unmap(0x1000_0000n, TWO_MIB);

    const error = errorOf(() => mapping.unmap());

    expect(error).toMatchObject({ code: "ERR_VFIO_UNMAP_INCOMPLETE" });
    expect(error.message).toContain("unmapped 0 of 2097152 bytes at IOVA [0x10000000, 0x101fffff]");
    expect(mapper.mappings).toEqual([]);
  });
});

describe("given a container without a group", () => {
  it("mapping says that a group is missing", () => {
    using container = openFile("/dev/vfio/vfio");
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(container);

    const error = errorOf(() => mapper.map(memory));

    expect(error).toMatchObject({ code: "EINVAL" });
    expect(error.message).toContain("add a group first");
  });
});
