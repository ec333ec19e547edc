import { countHugepages, countHugepagesByNode, DmaMapper, HugepageMemory, type IovaMode } from "@vfio/dma";
import { PciDevice } from "@vfio/pci-bar";
import { leavesNothingBehind, expectError } from "@vfio/test-support";
import { Container, iommuGroupOf } from "@vfio/vfio-core";
import { describe, expect, it } from "vitest";
import { Edu } from "../../src/edu.js";
import { dmaRoundTrip } from "../../src/pipeline/round-trip.js";
import { NARROW_EDU, openEdu, WIDE_EDU } from "./open-edu.js";

/** The lab boots with an IOMMU of 39 bits, and a second time with 48: this file runs in both. */
const IOMMU_BITS = Number(process.env["LAB_IOMMU_BITS"] ?? 39);
const PLACES = { source: 0, target: 16 << 10 };
const MODES: readonly IovaMode[] = ["physical", "virtual", "allocate"];
const TWO_MIB = 2 << 20;
const NODE = 0;
const PAGE_SIZES = [4096, TWO_MIB, 1 << 30];

leavesNothingBehind();

async function roundTrip(
  edu: Edu,
  memory: HugepageMemory,
  mapping: ReturnType<DmaMapper["map"]>,
): Promise<void> {
  const view = { buffer: memory.buffer, table: mapping.table };
  await dmaRoundTrip(edu, view, PLACES, memory.pageBytes % 251, () => edu.dmaDone(), { interrupt: false });
}

describe(`given an IOMMU of ${IOMMU_BITS} bits`, () => {
  const matrix = MODES.flatMap((mode) => PAGE_SIZES.map((pageBytes) => [mode, pageBytes] as const));

  it.each(matrix)(
    "IOVA mode %s with pages of %i bytes: the device reads and writes the memory",
    async (mode, pageBytes) => {
      if (pageBytes > 4096) expect(countHugepages(pageBytes)?.available).toBeGreaterThan(0);
      using machine = openEdu(WIDE_EDU);
      using memory = HugepageMemory.allocate({ bytes: 64 << 10, pageBytes });
      using mapper = new DmaMapper(machine.container, { iova: mode });

      // Virtual addresses have 47 bits: an IOMMU of 39 cannot have them, and the mapper must know before the kernel.
      if (mode === "virtual" && IOMMU_BITS < 47) {
        expectError(() => mapper.map(memory), "ERR_VFIO_IOVA_OUT_OF_RANGE");
        return;
      }
      const mapping = mapper.map(memory);

      await roundTrip(machine.edu, memory, mapping);
      expect(mapping.pieces.length).toBe(mode === "physical" ? memory.physicalExtents().length : 1);
    },
  );

  it("the IOMMU reports its width", () => {
    using machine = openEdu(WIDE_EDU);

    expect(machine.container.iommuInfo().iovaRanges?.at(-1)?.end).toBe((1n << BigInt(IOMMU_BITS)) - 1n);
  });

  it("a device with 28 address bits does DMA in what the allocator gives it, and physical addresses are refused", async () => {
    using machine = openEdu(NARROW_EDU);
    using memory = HugepageMemory.allocate({ bytes: 64 << 10 });
    using mapper = new DmaMapper(machine.container, { iova: "allocate", addressBits: 28 });
    const mapping = mapper.map(memory);

    await roundTrip(machine.edu, memory, mapping);

    expect(mapping.iovaOf(0)).toBeLessThan(1n << 28n);
    using physical = new DmaMapper(machine.container, { iova: "physical", addressBits: 28 });
    expectError(() => physical.map(memory), "ERR_VFIO_IOVA_OUT_OF_REACH");
  });
});

describe("given a container of vfio-core", () => {
  it("memory mapped before the first group is reachable once a group has joined, and again after groups left and came", async () => {
    using container = Container.open();
    using memory = HugepageMemory.allocate({ bytes: 64 << 10 });
    using mapper = new DmaMapper(container, { iova: "allocate" });
    const mapping = mapper.map(memory);
    expect(mapping.mapped).toBe(false);

    for (let round = 0; round < 2; round++) {
      using group = container.addGroup(iommuGroupOf(WIDE_EDU));
      expect(mapping.mapped).toBe(true);
      using device = group.openDevice(WIDE_EDU);
      using pci = new PciDevice(device);
      pci.busMaster = true;
      await roundTrip(new Edu(pci.bar(0).map()), memory, mapping);
    }
  });

  it("a buffer and a pool are memory that the device reaches", async () => {
    using machine = openEdu(WIDE_EDU);
    using mapper = new DmaMapper(machine.container, { iova: "allocate" });
    using buffer = mapper.alloc({ bytes: 1000, align: 256 });
    using pool = mapper.pool({ count: 16, bytes: 2048 });
    const block = pool.alloc();
    buffer.bytes.fill(0x44);

    machine.edu.copyToDevice(buffer.iova, 1000, { interrupt: false });
    await machine.edu.dmaDone();
    machine.edu.copyFromDevice(pool.iovaOf(block), 1000, { interrupt: false });
    await machine.edu.dmaDone();

    expect(
      pool
        .view(block)
        .subarray(0, 1000)
        .every((byte) => byte === 0x44),
    ).toBe(true);
    expect(pool.view(block)[1000]).toBe(0);
  });

  it("a pool whose physical pages lie scattered: each of its blocks is one piece that the device reaches", async () => {
    using machine = openEdu(WIDE_EDU);
    using _ = scatterHugepages();
    using mapper = new DmaMapper(machine.container, { iova: "physical", numaNode: NODE });
    using pool = mapper.pool({ count: 4096, bytes: 2048 });
    using echo = mapper.alloc({ bytes: 2048 });
    const jumps = mapper.mappings[0]!.table.extents.map(({ offset }) => offset / 2048).slice(1);
    expect(jumps).toEqual([1024, 2048, 3072]);

    for (const block of jumps.flatMap((each) => [each - 1, each])) {
      pool.view(block).fill(block + 1);
      machine.edu.copyToDevice(pool.iovaOf(block), 2048, { interrupt: false });
      await machine.edu.dmaDone();
      machine.edu.copyFromDevice(echo.iova, 2048, { interrupt: false });
      await machine.edu.dmaDone();

      expect(echo.bytes).toEqual(pool.view(block));
      expect(pool.blockAt(pool.iovaLow(block), pool.iovaHigh(block))).toBe(block);
    }
  });
});

/**
 * Holds hugepages such that no two of those left on the node are neighbours. Without that, where pages lie is the
 * kernel's choice, and often they lie in a row.
 */
function scatterHugepages(): Disposable {
  const { free } = countHugepagesByNode(TWO_MIB).find(({ node }) => node === NODE)!;
  const take = (pages: number) => HugepageMemory.allocate({ bytes: pages * TWO_MIB, numaNode: NODE });
  const pageAddress = (memory: HugepageMemory) => Number(memory.physicalAddresses()[0]);
  const rest = take(free - 16);
  const singles = Array.from({ length: 16 }, () => take(1));
  singles.sort((one, other) => pageAddress(one) - pageAddress(other));
  singles.filter((_, at) => at % 2 === 0).forEach((memory) => memory.close());
  return { [Symbol.dispose]: () => [rest, ...singles].forEach((memory) => memory.close()) };
}
