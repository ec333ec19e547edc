import { finished, KernelLog, leavesNothingBehind, processState, expectError } from "@vfio/test-support";
import { createMemoryFile, ioctl, Mapping, openFile, realKernel, useKernel } from "@vfio/ioctl-native";
import { readIommuInfo, vfioIoctls } from "@vfio/ioctl-native/vfio";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { countHugepages, DmaMapper, HugepageMemory, Type1Space, UserMemory } from "../../src/index.js";
import { foreignContainer, groupNode } from "./machine.js";

const MIB = 1 << 20;
const TWO_MIB = 2 * MIB;

leavesNothingBehind();

const ENTRY_LIMIT = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
/** How many mappings a container may have, until it is disposed of. */
function entryLimit(count: number): Disposable {
  const former = readFileSync(ENTRY_LIMIT, "utf8");
  writeFileSync(ENTRY_LIMIT, String(count));
  return { [Symbol.dispose]: () => writeFileSync(ENTRY_LIMIT, former) };
}

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

  it("memory from a hugetlbfs directory, a mapper's own too, leaves no file behind", () => {
    const directory = mkdtempSync(path.join(tmpdir(), "vfio-dma-"));
    expect(finished("mount", ["-t", "hugetlbfs", "none", directory]).status).toBe(0);
    try {
      using memory = HugepageMemory.allocate({ bytes: TWO_MIB, directory });
      using foreign = foreignContainer();
      using mapper = new DmaMapper(foreign.container, { directory });
      mapper.alloc({ bytes: 64 });
      const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
      expect(maps.filter((line) => line.includes(directory))).toHaveLength(2);
      expect(memory.physicalAddresses()).toHaveLength(1);
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      expect(finished("umount", [directory]).status).toBe(0);
      rmdirSync(directory);
    }
  });

  it("asked for more than there is: the error counts what is reserved, free and needed, and tells the command", () => {
    expectError(
      () => HugepageMemory.allocate({ bytes: 1000 * TWO_MIB }),
      "ENOMEM … 256 reserved, 256 free, 1000 needed … echo 1000 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
      { syscall: "mmap" },
    );
  });

  it("used up by others: the error counts what is left", () => {
    using _most = HugepageMemory.allocate({ bytes: 250 * TWO_MIB });

    expectError(
      () => HugepageMemory.allocate({ bytes: 10 * TWO_MIB }),
      "… 256 reserved, 6 free, 10 needed … echo 260 >",
    );
  });

  it("a page size of which too few are reserved, and one that the machine does not have", () => {
    expectError(
      () => HugepageMemory.allocate({ bytes: 2 ** 31, pageBytes: 1 << 30 }),
      "… 1 reserved, 1 free, 2 needed",
    );
    expectError(
      () => HugepageMemory.allocate({ bytes: 1, pageBytes: 4 * MIB }),
      "… This machine has no pages of 4194304 bytes",
    );
    expectError(() => HugepageMemory.allocate({ bytes: 1, pageBytes: 5000 }), "ERR_VFIO_MEMORY_SIZE");
  });

  it("used after close: buffer, fd and physical addresses say so; closing twice does nothing", () => {
    const memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    const view = new Uint8Array(memory.buffer);
    memory.close();
    memory.close();

    for (const use of [() => memory.buffer, () => memory.fd, () => memory.physicalAddresses()]) {
      expectError(use, "ERR_VFIO_CLOSED");
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
    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65535 - mapping.pieces.length);
    // Type1 counts what it pins as locked, and nothing as pinned.
    expect(processState()).toMatchObject({ locked: "65536 kB", pinned: "0 kB" });
  });

  it("IOVA = VA: virtual addresses of 47 bits are refused by an IOMMU of 39, with the ranges that it has", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 4 * TWO_MIB });
    // The lab's IOMMU has 39 bits and virtual addresses have 47: the mapper must say so before the kernel does.
    using mapper = new DmaMapper(foreign.container, { iova: "virtual" });

    expectError(() => mapper.map(memory), "ERR_VFIO_IOVA_OUT_OF_RANGE … 0x7fffffffff");
  });

  it("unmapping gives back the container's mapping and the pinned pages", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 4 * TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "physical" });
    mapper.map(memory).unmap();

    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65535);
    expect(processState().locked).toBe("0 kB");
  });

  it("mapped memory refuses to close, and names the mapping", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "physical" });
    mapper.map(memory, { iova: 0x1000_0000n });

    expectError(() => memory.close(), "ERR_VFIO_MAPPING_IN_USE … a DMA mapping (IOVA 0x10000000)");
  });

  it("the window of message-signalled interrupts is refused with the ranges that are usable", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "physical" });

    expectError(
      () => mapper.map(memory, { iova: 0xfee00000n }),
      "ERR_VFIO_IOVA_OUT_OF_RANGE … [0x0, 0xfedfffff], [0xfef00000, 0x7fffffffff]",
    );
  });

  it("a range that another library mapped is EEXIST, and what was mapped before the collision is undone", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 2 * TWO_MIB });
    using other = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "physical" });
    using stranger = new DmaMapper(foreign.container, { iova: "physical" });
    stranger.map(other, { iova: 0x2000_0000n });

    expectError(
      () => mapper.map(memory, { iova: 0x1fe0_0000n, pieceBytes: TWO_MIB }),
      "EEXIST … [0x20000000, 0x201fffff]",
      { ioctl: "VFIO_IOMMU_MAP_DMA" },
    );
    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65534);
  });

  it("a mapping that somebody else took back: unmap says that nothing was left of it, and the memory is free", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "physical" });
    const mapping = mapper.map(memory, { iova: 0x1000_0000n });
    new Type1Space(foreign.container).unmap(0x1000_0000n, TWO_MIB);

    expectError(
      () => mapping.unmap(),
      "ERR_VFIO_UNMAP_INCOMPLETE … unmapped 0 of 2097152 bytes at IOVA [0x10000000, 0x101fffff]",
    );
    expect(mapper.mappings).toEqual([]);
  });
});

describe("given the limits of a container", () => {
  it("as many ioctls as there are contiguous runs, and no more", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 64 * TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "physical" });
    const calls: number[] = [];
    const real = realKernel();
    using _ = useKernel({
      ...real,
      ioctl: (fd, request, argument) => (calls.push(request), real.ioctl(fd, request, argument)),
      ioctlEach(fd, request, structs, stride) {
        for (let at = 0; at < structs.length; at += stride) calls.push(request);
        return real.ioctlEach(fd, request, structs, stride);
      },
    });

    mapper.map(memory);

    const maps = calls.filter((request) => request === vfioIoctls.VFIO_IOMMU_MAP_DMA.number);
    expect(maps).toHaveLength(memory.physicalExtents().length);
    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65535 - maps.length);
  });

  it("mappings used up: ENOSPC tells how many are left, the limit, and how to raise it; what was mapped is undone", () => {
    using _ = entryLimit(8);
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 10 * TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "allocate" });

    expectError(
      () => mapper.map(memory, { pieceBytes: TWO_MIB }),
      `ENOSPC … 0 left of 8 … echo N > ${ENTRY_LIMIT}`,
    );
    expect(readIommuInfo(foreign.container).mappingsLeft).toBe(8);
    expect(processState().locked).toBe("0 kB");
    expect(mapper.map(memory).pieces).toHaveLength(1);
  });

  it("hundreds of pieces are as many mappings, each of which can be unmapped alone; one too many undoes them all", () => {
    using _ = entryLimit(600);
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: 600 * 4096, pageBytes: 4096 });
    using larger = HugepageMemory.allocate({ bytes: 601 * 4096, pageBytes: 4096 });
    using mapper = new DmaMapper(foreign.container, { iova: "allocate" });
    const left = (): number | undefined => readIommuInfo(foreign.container).mappingsLeft;

    expectError(
      () => mapper.map(larger, { pieceBytes: 4096 }),
      "ENOSPC … cannot map IOVA [0x259000, 0x259fff]",
      { ioctl: "VFIO_IOMMU_MAP_DMA" },
    );
    expect([left(), processState().locked]).toEqual([600, "0 kB"]);

    const mapping = mapper.map(memory, { pieceBytes: 4096 });
    expect([left(), mapping.pieces.length]).toEqual([0, 600]);
    mapping.unmapPart(300 * 4096, 2 * 4096);
    expect([left(), mapping.pieces.length]).toEqual([2, 598]);
    mapping.unmap();
    expect([left(), processState().locked]).toEqual([600, "0 kB"]);
  });

  it.each([
    ["type1v2 refuses to split a mapping", 3, "EINVAL", 0],
    ["type1 'succeeds' with nothing done for a part from the middle", 1, "success", 0],
  ])(
    "the kernel's %s: so a part can be unmapped only in the pieces it was mapped in",
    (_what, type, answer, unmapped) => {
      using foreign = foreignContainer(type);
      using memory = HugepageMemory.allocate({ bytes: 4 * TWO_MIB });
      using mapper = new DmaMapper(foreign.container, { iova: "allocate" });
      const whole = mapper.map(memory);
      const space = new Type1Space(foreign.container);
      const ask = (): number => space.unmap(whole.iovaOf(TWO_MIB), TWO_MIB);
      if (answer === "EINVAL") expectError(ask, "EINVAL");
      else expect(ask()).toBe(unmapped);
      expectError(() => whole.unmapPart(TWO_MIB, TWO_MIB), "ERR_VFIO_PARTIAL_UNMAP");
      whole.unmap();

      const pieces = mapper.map(memory, { pieceBytes: TWO_MIB });
      pieces.unmapPart(TWO_MIB, 2 * TWO_MIB);

      expect(readIommuInfo(foreign.container).mappingsLeft).toBe(65535 - 2);
      expect(processState().locked).toBe("4096 kB");
    },
  );

  it("a process killed with -9 in the middle of 1,000 maps leaves nothing pinned", async () => {
    const pinned = (): number => {
      // Each processor counts for itself; this has the kernel add them up.
      writeFileSync("/proc/sys/vm/stat_refresh", "1");
      const value = (name: string): number =>
        Number(new RegExp(`^${name} (\\d+)$`, "m").exec(readFileSync("/proc/vmstat", "utf8"))?.[1]);
      return value("nr_foll_pin_acquired") - value("nr_foll_pin_released");
    };
    const atFirst = pinned();
    using log = new KernelLog();
    const program = path.join(import.meta.dirname, "thousand-maps.mjs");
    const child = spawn(process.execPath, [program, groupNode()], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    expect(pinned()).toBeGreaterThan(atFirst);

    child.kill("SIGKILL");
    expect(await once(child, "close")).toEqual([null, "SIGKILL"]);

    const left = () => ({ pinned: pinned(), available: countHugepages(TWO_MIB)?.available });
    await expect.poll(left, { timeout: 30_000 }).toEqual({ pinned: atFirst, available: 256 });
    // Not what a busy host makes of the machine: "watchdog: BUG: soft lockup", with a trace.
    const complaints = /^(DMAR|vfio|WARNING|BUG(?!: workqueue lockup))|Bad page/;
    expect(log.newLines().filter((line) => complaints.test(line))).toEqual([]);
  });
});

describe("given memory of the caller's own", () => {
  it("any mapping of a file can be mapped for DMA, and cannot be closed meanwhile", () => {
    using foreign = foreignContainer();
    using file = createMemoryFile({ bytes: 16 * 4096, pageBytes: 4096 });
    using mapping = Mapping.map({ file, bytes: 16 * 4096, populate: true, name: "my ring" });
    using mapper = new DmaMapper(foreign.container, { iova: "allocate" });
    const mapped = mapper.map(new UserMemory(mapping));

    expect(mapped.pieces).toHaveLength(1);
    expectError(() => mapping.close(), "… cannot close my ring: in use by a DMA mapping");
    mapped.unmap();
  });

  it("memory from a NUMA node, and from one that the machine does not have", () => {
    using memory = HugepageMemory.allocate({ bytes: 1, numaNode: 0 });
    const line = readFileSync("/proc/self/numa_maps", "utf8")
      .split("\n")
      .find((each) => each.startsWith(memory.address.toString(16)));

    expect(line).toContain("bind:0");
    expect(line).toContain("N0=1");
    expectError(
      () => HugepageMemory.allocate({ bytes: 1, numaNode: 7 }),
      "ERR_VFIO_NUMA_NODE … no NUMA node 7; it has 0",
    );
  });

  it("a buffer before the container has a group: there are no device addresses, and nothing is left", () => {
    using container = openFile("/dev/vfio/vfio");
    using mapper = new DmaMapper(container, { iova: "physical" });

    expectError(() => mapper.alloc({ bytes: 100 }), "ERR_VFIO_MAPPING_PENDING");
  });

  it("no hugepages left: the error counts them for each NUMA node too", () => {
    expectError(
      () => HugepageMemory.allocate({ bytes: 999 * TWO_MIB }),
      "… (node 0: 256 reserved, 256 free)",
    );
  });
});

describe("given a container without a group, which tells nobody when one joins", () => {
  it("memory waits; after a group has joined, replay() maps it", () => {
    using group = openFile(groupNode());
    using container = openFile("/dev/vfio/vfio");
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(container, { iova: "physical" });
    const mapping = mapper.map(memory);
    expectError(() => mapping.iovaOf(0), "ERR_VFIO_MAPPING_PENDING");

    ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
    ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);

    expect(mapper.replay()).toBe(1);
    expect(mapping.iovaOf(0)).toBe(memory.physicalAddresses()[0]);
    expect(mapper.replay()).toBe(0);
    expect(readIommuInfo(container).mappingsLeft).toBe(65534);
  });
});
