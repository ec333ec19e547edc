import { expectError } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DmaBuffer, DmaPool, IovaTable, type BufferPlace } from "../src/index.js";

/** A pool on ordinary memory, at an IOVA just below 4 GiB so that the halves carry. */
function poolOf(count: number, blockBytes: number): { pool: DmaPool; released: () => number } {
  const { place, released } = placeOf(count * blockBytes);
  return { pool: new DmaPool(place, count, blockBytes), released };
}

function bufferOf(bytes: number, iova?: bigint): { buffer: DmaBuffer; released: () => number } {
  const { place, released } = placeOf(bytes, iova);
  return { buffer: new DmaBuffer(place), released };
}

function placeOf(bytes: number, iova = 0xffff_f000n): { place: BufferPlace; released: () => number } {
  let releases = 0;
  const pages = Math.ceil(bytes / 4096) * 4096;
  const table = new IovaTable([{ offset: 0, iova, bytes: pages }]);
  const memory = { buffer: new ArrayBuffer(pages) };
  return {
    place: { memory, table, offset: 0, bytes, release: () => releases++ },
    released: () => releases,
  };
}

describe("given a buffer", () => {
  it("each of its bytes has a device address, also across 4 GiB", () => {
    const { buffer } = bufferOf(8192);

    expect([0, 4095, 4096, 8191].map((at) => [buffer.iovaLowAt(at), buffer.iovaHighAt(at)])).toEqual([
      [0xffff_f000, 0],
      [0xffff_ffff, 0],
      [0, 1],
      [0xfff, 1],
    ]);
    expect([buffer.iovaLow, buffer.iovaHigh]).toEqual([0xffff_f000, 0]);
  });

  it("above 4 GiB its device address has both halves", () => {
    const { buffer } = bufferOf(64, 0x1234_5678_9abc_d000n);

    expect([buffer.iova, buffer.iovaLow, buffer.iovaHigh]).toEqual([
      0x1234_5678_9abc_d000n,
      0x9abc_d000,
      0x1234_5678,
    ]);
  });

  it.each([-1, 64, 1e6, 0.5, NaN])("offset %s of 64 bytes is refused: it is a neighbour's", (offset) => {
    const { buffer } = bufferOf(64);

    for (const look of [() => buffer.iovaLowAt(offset), () => buffer.iovaHighAt(offset)]) {
      const error = expectError(look, "ERR_VFIO_NOT_MAPPED");
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toBe(`offset ${offset} is not in this DMA buffer of 64 bytes`);
    }
  });

  it("after free it has no address and no memory, and was given back once", () => {
    const { buffer, released } = bufferOf(64);
    buffer.free();
    buffer.free();

    expect(released()).toBe(1);
    for (const use of [() => buffer.iovaLowAt(0), () => buffer.iovaHighAt(0), () => buffer.bytes])
      expectError(use, "ERR_VFIO_CLOSED");
  });
});

describe("given a pool of blocks", () => {
  it("each block has its own place in memory and its own device address, also across 4 GiB", () => {
    const { pool } = poolOf(4, 2048);

    expect([0, 1, 2, 3].map((block) => pool.iovaOf(block))).toEqual([
      0xffff_f000n,
      0xffff_f800n,
      0x1_0000_0000n,
      0x1_0000_0800n,
    ]);
    expect([pool.iovaLow(2), pool.iovaHigh(2), pool.offsetOf(2)]).toEqual([0, 1, 4096]);
    pool.view(3).fill(7);
    expect([pool.bytes[3 * 2048 - 1], pool.bytes[3 * 2048], pool.bytes[4 * 2048 - 1]]).toEqual([0, 7, 7]);
  });

  it("when all are taken, the next is -1; a block that came back is given again", () => {
    const { pool } = poolOf(2, 64);

    expect([pool.alloc(), pool.alloc(), pool.alloc()]).toEqual([0, 1, -1]);
    pool.free(0);
    expect([pool.alloc(), pool.available]).toEqual([0, 0]);
  });

  it.each([
    ["a block twice", 0, "ERR_VFIO_DOUBLE_FREE"],
    ["a block that was never taken", 1, "ERR_VFIO_DOUBLE_FREE"],
    ["a block that is not there", 2, "ERR_VFIO_POOL_INDEX"],
    ["-1, which alloc() gave for none", -1, "ERR_VFIO_POOL_INDEX"],
    ["half a block", 0.5, "ERR_VFIO_POOL_INDEX"],
  ])("freeing %s is an error, and the pool is as before", (_what, index, code) => {
    const { pool } = poolOf(2, 64);
    pool.free(pool.alloc());

    expectError(() => pool.free(index), code);
    expect(pool.available).toBe(2);
  });

  it.each([-1, 2, 0.5, NaN])("block %s of 2 has no place, no address and no memory", (index) => {
    const { pool } = poolOf(2, 64);

    for (const look of [
      () => pool.offsetOf(index),
      () => pool.iovaLow(index),
      () => pool.iovaHigh(index),
      () => pool.iovaOf(index),
      () => pool.view(index),
    ]) {
      const error = expectError(look, "ERR_VFIO_POOL_INDEX");
      expect(error.message).toBe(`the DMA pool has blocks 0 to 1, not ${index}`);
    }
  });

  it("an address that a device reports back leads to its block, from the first byte to the last", () => {
    const { pool } = poolOf(5, 1536);

    for (const block of [0, 1, 2, 3, 4]) {
      for (const within of [0, 1, 1535]) {
        const iova = 0xffff_f000 + block * 1536 + within;
        expect(pool.blockAt(iova >>> 0, iova >= 2 ** 32 ? 1 : 0)).toBe(block);
      }
    }
  });

  it("a device address given as a bigint is refused, be it either half", () => {
    const { pool } = poolOf(2, 2048);
    const wrong = [() => pool.blockAt(0n as never, 0), () => pool.blockAt(0xffff_f000, 1n as never)];

    for (const call of wrong) expectError(call, "ERR_VFIO_DMA_ARGUMENT … not a bigint");
  });

  it.each([
    [0xffff_efff, 0, "a byte below"],
    [0xe00, 1, "a byte behind"],
    [0xffff_f000, 1, "4 GiB too high"],
    [-0x1000, 0, "what became negative by a bit operator"],
    [0.5, 1, "a fraction"],
    [0, 0.5, "a fraction"],
    [NaN, 0, "no number"],
  ])("halves %s and %s: %s is in no block", (low, high) => {
    const { pool } = poolOf(5, 1536);
    const error = expectError(
      () => pool.blockAt(low, high),
      `ERR_VFIO_NOT_MAPPED … lower half ${low} and the upper half ${high}`,
    );

    expect(error).toBeInstanceOf(RangeError);
  });

  it("in memory that lies scattered, each block is one piece, and an address leads back to it", () => {
    const table = new IovaTable([
      { offset: 0, iova: 0x1_0000_5000n, bytes: 4096 },
      { offset: 4096, iova: 0x3000n, bytes: 8192 },
    ]);
    const memory = { buffer: new ArrayBuffer(12288) };
    const pool = new DmaPool({ memory, table, offset: 2048, bytes: 8192, release: () => undefined }, 4, 2048);

    expect([0, 1, 2, 3].map((block) => pool.iovaOf(block))).toEqual([
      0x1_0000_5800n,
      0x3000n,
      0x3800n,
      0x4000n,
    ]);
    expect([pool.blockAt(0x5fff, 1), pool.blockAt(0x3000, 0), pool.blockAt(0x47ff, 0)]).toEqual([0, 1, 3]);
    for (const [low, high] of [
      [0x57ff, 1],
      [0x4800, 0],
    ] as const)
      expectError(() => pool.blockAt(low, high), "ERR_VFIO_NOT_MAPPED");
  });

  it("however the pages lie, each address of each block leads back to it, and what lies beside leads nowhere", () => {
    const pages = fc.uniqueArray(fc.bigInt({ min: 0xf_fff0n, max: 0x10_0010n }), {
      minLength: 1,
      maxLength: 12,
    });
    const above = fc.constantFrom(0n, 1n << 60n);
    const blockBytes = fc.constantFrom(64, 1024, 4096);
    fc.assert(
      fc.property(pages, above, blockBytes, fc.nat(4095), (order, base, bytes, within) => {
        const pageAt = (page: bigint) => base + page * 4096n;
        const table = new IovaTable(
          order.map((page, at) => ({ offset: at * 4096, iova: pageAt(page), bytes: 4096 })),
        );
        const size = order.length * 4096;
        const memory = { buffer: new ArrayBuffer(size) };
        const pool = new DmaPool(
          { memory, table, offset: 0, bytes: size, release() {} },
          size / bytes,
          bytes,
        );
        const blockAt = (iova: bigint) => pool.blockAt(Number(iova & 0xffff_ffffn), Number(iova >> 32n));

        for (const [at, page] of order.entries()) {
          expect(blockAt(pageAt(page) + BigInt(within))).toBe(Math.floor((at * 4096 + within) / bytes));
          for (const beside of [page - 1n, page + 1n].filter((each) => !order.includes(each)))
            expectError(() => blockAt(pageAt(beside) + BigInt(within)), "ERR_VFIO_NOT_MAPPED");
        }
      }),
      { numRuns: 300 },
    );
  });

  it("a block that the device would see in two pieces is refused", () => {
    const table = new IovaTable([
      { offset: 0, iova: 0x5000n, bytes: 4096 },
      { offset: 4096, iova: 0x3000n, bytes: 4096 },
    ]);
    const place = { memory: { buffer: new ArrayBuffer(8192) }, table, offset: 0, bytes: 8192, release() {} };

    expectError(() => new DmaPool(place, 2, 3072), "ERR_VFIO_NOT_MAPPED … 3072 bytes at offset 3072");
  });

  it("whatever is taken and freed in whatever order, no block is ever given twice", () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant("take" as const) },
      { weight: 2, arbitrary: fc.nat(6) },
    );
    const steps = fc.array(step, { minLength: 200, maxLength: 300 });
    const seen = { exhausted: 0, takenAgain: 0, doubleFree: 0, noSuchBlock: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), steps, (count, list) => {
        const { pool } = poolOf(count, 64);
        const taken = new Set<number>();
        const freed = new Set<number>();
        for (const each of list) {
          if (each === "take") {
            const block = pool.alloc();
            expect(block === -1).toBe(taken.size === count);
            expect(taken.has(block)).toBe(false);
            if (block === -1) seen.exhausted++;
            else taken.add(block);
            if (freed.has(block)) seen.takenAgain++;
          } else if (taken.delete(each)) {
            pool.free(each);
            freed.add(each);
          } else if (each < count) {
            expectError(() => pool.free(each), "ERR_VFIO_DOUBLE_FREE");
            if (freed.has(each)) seen.doubleFree++;
          } else {
            expectError(() => pool.free(each), "ERR_VFIO_POOL_INDEX");
            seen.noSuchBlock++;
          }
          expect(pool.available).toBe(count - taken.size);
        }
      }),
      { numRuns: 200 },
    );
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(500);
  });

  it("closing gives its memory back once; afterwards everything says that it is closed", () => {
    const { pool, released } = poolOf(2, 64);
    pool.alloc();
    pool.close();
    pool.close();

    expect(released()).toBe(1);
    for (const use of [
      () => pool.bytes,
      () => pool.alloc(),
      () => pool.free(0),
      () => pool.offsetOf(0),
      () => pool.iovaLow(0),
      () => pool.iovaHigh(0),
      () => pool.iovaOf(0),
      () => pool.view(0),
      () => pool.blockAt(0xffff_f000, 0),
    ]) {
      expectError(use, "ERR_VFIO_CLOSED");
    }
  });
});
