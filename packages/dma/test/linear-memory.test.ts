import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
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
    expectError(() => pool.iovasInto(halves.subarray(1)), "ERR_VFIO_STRUCT_BOUNDS … take 6 words, not 5");
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

const BLOCKS = 64;
const BLOCK_WORDS = 16;
/** What the ring's two sides tell each other: how many blocks were filled, and how many were answered. */
const [FILLED, ANSWERED] = [0, 1];

/**
 * Fills the ring's blocks from where the last one ended, each with its number; its last word is the other side's
 * answer, which must still be there when the block's turn comes again.
 */
const FILLS = `
  const { workerData: { memory, state, blocks } } = require("node:worker_threads");
  const shared = new Int32Array(memory.buffer, state, 2);
  const ring = new Int32Array(memory.buffer, blocks, ${BLOCKS * BLOCK_WORDS});
  for (let number = Atomics.load(shared, ${FILLED}); ; number++) {
    while (number - Atomics.load(shared, ${ANSWERED}) >= ${BLOCKS});
    const at = (number % ${BLOCKS}) * ${BLOCK_WORDS};
    const answer = ring[at + ${BLOCK_WORDS - 1}];
    if (number >= ${BLOCKS} && answer !== ~(number - ${BLOCKS})) throw new Error(number + " has the answer " + answer);
    for (let word = 0; word < ${BLOCK_WORDS - 1}; word++) ring[at + word] = number;
    Atomics.store(shared, ${FILLED}, number + 1);
  }`;

/** Answers so many blocks that a worker fills, and returns those that were not whole. */
async function answer(ring: Int32Array, shared: Int32Array, count: number): Promise<number[]> {
  const torn: number[] = [];
  for (const end = Atomics.load(shared, ANSWERED) + count; ; await setImmediate()) {
    for (let number = Atomics.load(shared, ANSWERED); number < Atomics.load(shared, FILLED); number++) {
      const at = (number % BLOCKS) * BLOCK_WORDS;
      if (ring.subarray(at, at + BLOCK_WORDS - 1).some((word) => word !== number)) torn.push(number);
      ring[at + BLOCK_WORDS - 1] = ~number;
      Atomics.store(shared, ANSWERED, number + 1);
      if (number + 1 === end) return torn;
    }
  }
}

describe("given a ring of DMA blocks within a WebAssembly memory, which a worker fills and this thread answers", () => {
  it("when the worker is terminated at whatever moment, 50 times, then no block is torn, and the next worker goes on", async () => {
    mapper();
    using state = dma.alloc({ bytes: 64, within: memory });
    using pool = dma.pool({ count: BLOCKS, bytes: 4 * BLOCK_WORDS, within: memory });
    const places = { memory: memory.memory, state: state.place.address, blocks: pool.place.address };
    const shared = new Int32Array(memory.buffer, places.state, 2);
    const ring = new Int32Array(memory.buffer, places.blocks, BLOCKS * BLOCK_WORDS);
    const torn: number[] = [];
    const errors: unknown[] = [];
    let answered = 0;

    for (let round = 0; round < 50; round++) {
      const worker = new Worker(FILLS, { eval: true, workerData: places, execArgv: [] });
      worker.on("error", (error) => errors.push(error));
      const count = 1 + ((round * 977) % 1000);
      torn.push(...(await Promise.race([answer(ring, shared, count), failed(worker)])));
      answered += count;
      await worker.terminate();
    }

    expect([torn, errors]).toEqual([[], []]);
    expect(shared[ANSWERED]).toBe(answered);
    expect(shared[FILLED]).toBeGreaterThanOrEqual(answered);
    // Nobody is there any more who writes, and the device still has the memory.
    shared.fill(0);
    expect(ring.fill(7).every((word) => word === 7)).toBe(true);
    expect([pool.view(1)[0], iommu.mapped.size]).toEqual([7, 2]);
  });
});

async function failed(worker: Worker): Promise<never> {
  await once(worker, "exit");
  throw new Error("the worker ended by itself");
}
