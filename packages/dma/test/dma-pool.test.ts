import { errorOf } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DmaBuffer, DmaPool, IovaTable } from "../src/index.js";

/** A pool on ordinary memory, at an IOVA just below 4 GiB so that the halves carry. */
function poolOf(count: number, blockBytes: number): { pool: DmaPool; released: () => number } {
  let releases = 0;
  const bytes = count * blockBytes;
  const pages = Math.ceil(bytes / 4096) * 4096;
  const table = new IovaTable([{ offset: 0, iova: 0xffff_f000n, bytes: pages }]);
  const buffer = new DmaBuffer({
    memory: { buffer: new ArrayBuffer(pages) },
    table,
    offset: 0,
    bytes,
    release: () => releases++,
  });
  return { pool: new DmaPool(buffer, count, blockBytes), released: () => releases };
}

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

    expect(errorOf(() => pool.free(index))).toMatchObject({ code });
    expect(pool.available).toBe(2);
  });

  it("whatever is taken and freed in whatever order, no block is ever given twice", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(10))), (steps) => {
        const { pool } = poolOf(5, 64);
        const taken = new Set<number>();
        for (const step of steps) {
          if (step === null) {
            const block = pool.alloc();
            expect(block === -1).toBe(taken.size === 5);
            expect(taken.has(block)).toBe(false);
            if (block >= 0) taken.add(block);
          } else if (taken.delete(step)) pool.free(step);
          else expect(errorOf(() => pool.free(step)).message).toContain("DMA pool");
          expect(pool.available).toBe(5 - taken.size);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("closing gives its memory back once; afterwards everything says that it is closed", () => {
    const { pool, released } = poolOf(2, 64);
    pool.alloc();
    pool.close();
    pool.close();

    expect(released()).toBe(1);
    for (const use of [() => pool.bytes, () => pool.alloc(), () => pool.free(0)]) {
      expect(errorOf(use)).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    }
  });
});
