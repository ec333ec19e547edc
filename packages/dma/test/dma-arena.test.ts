import { leavesNothingBehind, expectError } from "@vfio/test-support";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DmaArena } from "../src/buffers/dma-arena.js";
import type { DmaMapping } from "../src/mapping/dma-mapping.js";
import { IovaTable } from "../src/index.js";

leavesNothingBehind();

let arena: DmaArena;
let mapped: number;
let lastMapping: { mapped: boolean };
afterEach(() => arena.close());

/** In which no page lies behind the one before it. */
function scatteredIova(offset: number): bigint {
  return BigInt(0x10_0000 + Math.floor(offset / 4096) * 8192 + (offset % 4096));
}

/** Where no two pages of 4 KiB lie behind each other. */
function scatteredArena(): DmaArena {
  mapped = 0;
  const pages = (bytes: number) => Array.from({ length: bytes / 4096 }, (_, page) => page);
  return new DmaArena({ pageBytes: 4096 }, ({ bytes }) => {
    mapped++;
    const segments = pages(bytes).map((page) => ({
      offset: page * 4096,
      iova: scatteredIova(page * 4096),
      bytes: 4096,
    }));
    const mapping = { mapped: true, table: new IovaTable(segments), unmap: () => mapped-- };
    lastMapping = mapping;
    return mapping as unknown as DmaMapping;
  });
}

describe("given memory whose pages lie scattered for the device", () => {
  it("a pool of many pages has each block in one piece; closed, its memory serves the next one", () => {
    arena = scatteredArena();

    for (let time = 0; time < 3; time++) {
      using pool = arena.pool({ count: 8, bytes: 2048 });
      expect(pool.iovaOf(1)).toBe(0x10_0800n);
      expect(pool.iovaOf(2)).toBe(0x10_2000n);
      expect(mapped).toBe(1);
    }
  });

  it("a pool that is open shares its memory with nobody", () => {
    arena = scatteredArena();
    using pool = arena.pool({ count: 8, bytes: 2048 });
    using other = arena.pool({ count: 8, bytes: 2048 });
    expect(mapped).toBe(2);

    pool.bytes.fill(1);
    other.bytes.fill(2);
    expect(pool.bytes.every((byte) => byte === 1)).toBe(true);
    pool.close();
    using buffer = arena.alloc({ bytes: 64 });
    using third = arena.pool({ count: 8, bytes: 2048 });
    buffer.bytes.fill(3);
    third.bytes.fill(4);
    expect([mapped, buffer.bytes[0], other.bytes[0]]).toEqual([3, 3, 2]);
  });

  it("blocks that would lie across the ends of pages are refused with the remedy, and no memory stays", () => {
    arena = scatteredArena();

    expectError(
      () => arena.pool({ count: 8, bytes: 3072 }),
      "ERR_VFIO_MEMORY_SCATTERED … blocks of 3072 bytes would lie across the ends of pages: pages of 4096 bytes lie scattered … or a block size that divides the page size",
    );
    expect(mapped).toBe(0);
  });

  it("what was cut out is closed with all the memory: it has no bytes and no addresses any more", () => {
    arena = scatteredArena();
    const buffer = arena.alloc({ bytes: 64 });
    const pool = arena.pool({ count: 8, bytes: 2048 });
    arena.close();

    const uses = [() => buffer.bytes, () => buffer.iovaLowAt(0), () => pool.alloc(), () => pool.iovaLow(0)];
    for (const use of uses) expectError(use, "ERR_VFIO_CLOSED");
    expect(mapped).toBe(0);
    buffer.free();
    pool.close();
  });

  it("what was freed is forgotten: closing the memory does not free it again", () => {
    arena = scatteredArena();
    const buffer = arena.alloc({ bytes: 64 });
    const frees = vi.spyOn(buffer, Symbol.dispose);
    buffer.free();

    arena.close();

    expect(frees).not.toHaveBeenCalled();
  });

  it("memory that did not come back with a group serves nobody any more: the next buffer has memory of its own", () => {
    arena = scatteredArena();
    const former = arena.alloc({ bytes: 64 });
    lastMapping.mapped = false;

    const next = arena.alloc({ bytes: 64 });
    next.bytes.fill(1);

    expect([mapped, former.bytes[0]]).toEqual([2, 0]);
  });

  it("an alignment of two pages is refused, with the limit", () => {
    arena = scatteredArena();

    expectError(
      () => arena.alloc({ bytes: 64, align: 8192 }),
      "ERR_VFIO_DMA_ALIGNMENT … 64 bytes aligned to 8192 … a power of two up to the page size (4096)",
    );
    expect(mapped).toBe(0);
  });

  it("a buffer of two pages is refused", () => {
    arena = scatteredArena();

    expectError(() => arena.alloc({ bytes: 8192 }), "… 8192 bytes do not fit into one piece");
    expect(mapped).toBe(0);
  });
});

/** A buffer, or a pool with all its blocks taken. */
interface Owner {
  readonly bytes: Uint8Array;
  /** The device address of each piece, by its offset. */
  readonly iovas: ReadonlyMap<number, bigint>;
  end(): void;
}

function bufferOwner(bytes: number, align: number): Owner {
  const buffer = arena.alloc({ bytes, align });
  expect(buffer.iova % BigInt(align)).toBe(0n);
  return { bytes: buffer.bytes, iovas: new Map([[0, buffer.iova]]), end: () => buffer.free() };
}

function poolOwner(count: number, blockBytes: number): Owner {
  const pool = arena.pool({ count, bytes: blockBytes });
  const blocks = Array.from({ length: count }, () => pool.alloc());
  const iovas = new Map(blocks.map((block) => [block * blockBytes, pool.iovaOf(block)]));
  return { bytes: pool.bytes, iovas, end: () => pool.close() };
}

describe("given buffers and pools that come and go", () => {
  const request = fc.oneof(
    fc.record({ bytes: fc.integer({ min: 1, max: 4096 }), align: fc.constantFrom(1, 4, 64, 256, 4096) }),
    fc.record({ count: fc.integer({ min: 1, max: 9 }), blockBytes: fc.constantFrom(64, 1024, 2048, 4096) }),
    fc.record({ end: fc.nat() }),
  );

  it("no byte has two owners, and each lies where its device address says, aligned as asked for", () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 40 }), (requests) => {
        using _ = (arena = scatteredArena());
        const owners = new Map<number, Owner>();
        requests.forEach((wanted, number) => {
          if ("end" in wanted) return endOneOf(owners, wanted.end);
          const owner =
            "align" in wanted
              ? bufferOwner(wanted.bytes, wanted.align)
              : poolOwner(wanted.count, wanted.blockBytes);
          owners.set(number + 1, owner);
          owner.bytes.fill(number + 1);
          for (const [offset, iova] of owner.iovas)
            expect(iova).toBe(scatteredIova(owner.bytes.byteOffset + offset));
        });
        for (const [number, { bytes }] of owners) expect(bytes.every((byte) => byte === number)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  function endOneOf(owners: Map<number, Owner>, which: number): void {
    const number = [...owners.keys()][which % owners.size];
    if (number === undefined) return;
    owners.get(number)?.end();
    owners.delete(number);
  }
});

describe("given a buffer that is looked at again and again", () => {
  it("it has one array of bytes, one of words, and one view, and none once it is freed", () => {
    arena = scatteredArena();
    const buffer = arena.alloc({ bytes: 4096 });
    const { bytes, words, view } = buffer;

    expect([buffer.bytes === bytes, buffer.words === words, buffer.view === view]).toEqual([
      true,
      true,
      true,
    ]);
    buffer.free();
    for (const look of [() => buffer.bytes, () => buffer.words, () => buffer.view])
      expectError(look, "ERR_VFIO_CLOSED");
  });
});
