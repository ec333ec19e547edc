import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { LinearMemory } from "@vfio/ioctl-native";
import { afterEach, describe, expect, it } from "vitest";
import { DmaMapper, HugepageMemory } from "../src/index.js";
import { FakeIommu } from "./fake-iommu.js";

leavesNothingBehind();

const PAGE = 4096;
const MIB = 1 << 20;

let iommu: FakeIommu;
let dma: DmaMapper;
const memory = new LinearMemory({ bytes: MIB });
const mapper = (): DmaMapper => {
  iommu = new FakeIommu();
  return (dma = new DmaMapper(iommu, { pageBytes: PAGE }));
};
afterEach(() => dma.close());

/** What compiled code or another thread sees there. */
function wordsAt({ place }: Pick<HugepageMemory, "place">): Uint32Array {
  if (place === undefined) throw new Error("it lies in no WebAssembly memory");
  return new Uint32Array(place.memory.buffer, place.address, 4);
}

describe("given a WebAssembly memory", () => {
  it("when memory is allocated within it, then both show the same bytes, until it is closed", () => {
    mapper();
    using own = HugepageMemory.allocate({ bytes: PAGE, pageBytes: PAGE, within: memory });
    const words = wordsAt(own);

    words[1] = 7;

    expect(new Uint32Array(own.buffer)[1]).toBe(7);
    own.close();
    expect([words[1], own.place]).toEqual([0, undefined]);
  });

  it("when buffers and a pool are asked for within it, then their arrays are on its SharedArrayBuffer", () => {
    mapper();
    using buffer = dma.alloc({ bytes: 100, within: memory });
    using next = dma.alloc({ bytes: 64, within: memory });
    using pool = dma.pool({ count: 4, bytes: 1024, within: memory });

    for (const array of [buffer.bytes, buffer.words, buffer.view, next.bytes, pool.bytes, pool.view(1)])
      expect(array.buffer).toBe(memory.buffer);
    expect(buffer.bytes.byteOffset).toBe(buffer.place.address);
    expect(next.place.address - buffer.place.address).toBe(Number(next.iova - buffer.iova));
    expect(pool.view(3).byteOffset).toBe(pool.place.address + 3 * 1024);
    buffer.words[0] = 9;
    expect(wordsAt(buffer)[0]).toBe(9);
  });

  it("when a buffer is asked for without it, then it lies elsewhere, and its arrays are on an ArrayBuffer", () => {
    mapper();
    using inside = dma.alloc({ bytes: 64, within: memory });
    using outside = dma.alloc({ bytes: 64 });

    expect([inside.bytes.buffer, outside.bytes.buffer]).toEqual([
      expect.any(SharedArrayBuffer),
      expect.any(ArrayBuffer),
    ]);
    expect(outside.place).toBeUndefined();
    expect(iommu.mapped.size).toBe(2);
  });

  it("when the mapper is closed, then zeroes lie where its buffers were, and the next memory has their place", () => {
    mapper();
    const { address } = dma.alloc({ bytes: PAGE, within: memory }).place;
    new Uint8Array(memory.buffer, address, PAGE).fill(1);

    dma.close();

    expect(new Uint8Array(memory.buffer, address, PAGE).every((byte) => byte === 0)).toBe(true);
    using next = HugepageMemory.allocate({ bytes: PAGE, pageBytes: PAGE, within: memory });
    expect(next.place?.address).toBe(address);
  });

  it("when it is full, then the error says so, and nothing is mapped for DMA", () => {
    mapper();

    expectError(() => dma.alloc({ bytes: 2 * MIB, within: memory }), "ERR_VFIO_LINEAR_MEMORY_FULL");

    expect([iommu.mapped.size, dma.mappings.length]).toEqual([0, 0]);
  });

  it("when compiled code needs the blocks' device addresses, then they are written for it", () => {
    mapper();
    using pool = dma.pool({ count: 3, bytes: 64, within: memory });
    const halves = new Uint32Array(memory.buffer, 64, 6);

    pool.iovasInto(halves);

    const addresses = [0, 1, 2].map((block) => pool.iovaOf(block));
    expect([...new BigUint64Array(memory.buffer, 64, 3)]).toEqual(addresses);
    expectError(() => pool.iovasInto(halves.subarray(1)), "ERR_VFIO_STRUCT_BOUNDS");
    expectError(() => pool.iovasInto([] as never), "ERR_VFIO_DMA_ARGUMENT");
    pool.close();
    expectError(() => pool.iovasInto(halves), "ERR_VFIO_CLOSED");
  });

  it.each([null, {}, 7, memory.memory])("when %s is passed instead, then that is refused", (within) => {
    mapper();
    const request = { bytes: 64, within: within as never };
    expectError(() => dma.alloc(request), "ERR_VFIO_DMA_ARGUMENT");
    expectError(() => dma.pool({ ...request, count: 1 }), "ERR_VFIO_DMA_ARGUMENT");
    const own = { ...request, pageBytes: PAGE };
    expectError(() => HugepageMemory.allocate(own), "ERR_VFIO_ARGUMENT");
  });
});
