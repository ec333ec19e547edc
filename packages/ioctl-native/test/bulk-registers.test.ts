import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BulkRegisters, type Mapping, type RegisterArray } from "../src/index.js";
import { nextMessage, startWorker } from "./support/elsewhere.js";
import { errorOf, expectAllRefused, expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { mapMemory, PLACES } from "./support/memory.js";

fdsStayAsTheyWere();

const BYTES = 4096;
let mapping: Mapping;
let bulk: BulkRegisters;

const ARRAYS = [Uint8Array, Uint16Array, Uint32Array, BigUint64Array] as const;
const bytesOf = (array: RegisterArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const outside = [BYTES, -8, 1e300, NaN, Infinity, 0.5, 2 ** 53, undefined, "0", 0n, {}, Symbol("offset")];

describe.each(PLACES)("given a mapping%s:", (_, place) => {
  beforeEach(() => {
    mapping = mapMemory(BYTES, { within: place() });
    bulk = new BulkRegisters(mapping);
  });
  afterEach(() => mapping.close());

  describe("given a block of registers", () => {
    it("it is the bytes of the memory, at its place and nowhere else", () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...ARRAYS),
          fc.nat(),
          fc.uint8Array({ maxLength: 800 }),
          (kind, place, bytes) => {
            const memory = new Uint8Array(mapping.buffer).fill(0x55);
            const width = kind.BYTES_PER_ELEMENT;
            const source = new kind(Math.floor(bytes.length / width));
            bytesOf(source).set(bytes.subarray(0, source.byteLength));
            const offset = (place % (BYTES - source.byteLength + 1)) & -width;

            bulk.writeBlock(offset, source);
            const expected = new Uint8Array(BYTES).fill(0x55);
            expected.set(bytesOf(source), offset);
            expect(memory).toEqual(expected);

            const target = new kind(source.length);
            bulk.readBlock(offset, target);
            expect(target).toEqual(source);
          },
        ),
      );
    });

    it("a part of an array is filled, and its neighbours are left alone", () => {
      mapping.registers.write32(0, 7);
      const words = Uint32Array.of(1, 2, 3);

      bulk.readBlock(0, words.subarray(1, 2));

      expect([...words]).toEqual([1, 7, 3]);
    });

    it("no registers are no access, also at the very end", () => {
      bulk.readBlock(BYTES, new Uint32Array(0));
      bulk.writeBlock(BYTES, new Uint32Array(0));
    });

    it.each(["readBlock", "writeBlock", "readFifo", "writeFifo"] as const)(
      "%s refuses places outside and arrays of anything else, and touches nothing",
      (name) => {
        for (const offset of [...outside, 2])
          expectRangeError(
            () => bulk[name](offset as number, Uint32Array.of(1)),
            "ERR_VFIO_REGISTER_OFFSET",
            "the test's memory (4096 bytes)",
          );
        const arrays = [
          new Float64Array(1),
          new Int32Array(1),
          new DataView(new ArrayBuffer(8)),
          [1],
          {},
          null,
          5,
        ];
        const uses = arrays.map((array) => () => bulk[name](0, array as never));
        expectAllRefused(uses, "ERR_VFIO_REGISTER_VALUE");
        expect(new Uint8Array(mapping.buffer).every((byte) => byte === 0)).toBe(true);
      },
    );

    it("one that would go beyond the end is refused whole, with its number of registers", () => {
      const error = errorOf(() => bulk.writeBlock(BYTES - 4, Uint32Array.of(1, 1)));

      expect(error.message).toContain(`register offset ${BYTES - 4} (width 4, 2 of them)`);
      expect(mapping.registers.read32(BYTES - 4)).toBe(0);
    });
  });

  describe("given a FIFO", () => {
    it("every element goes to the same register, the last one stays", () => {
      bulk.writeFifo(8, Uint16Array.of(1, 2, 3));
      const got = new Uint16Array(4);
      bulk.readFifo(8, got);

      expect([...got]).toEqual([3, 3, 3, 3]);
      expect(mapping.registers.read32(8)).toBe(3);
    });

    it("it may be the very last register", () => {
      bulk.writeFifo(BYTES - 4, new Uint32Array(100).fill(9));

      expect(mapping.registers.read32(BYTES - 4)).toBe(9);
    });
  });

  describe("given 64 bits in two halves", () => {
    it("the lower comes first, and signed numbers are taken", () => {
      bulk.writeHalves(16, -2, 1);
      const halves = new Uint32Array(2);
      bulk.readHalves(16, halves);

      expect(mapping.registers.read64(16)).toBe(0x1_ffff_fffen);
      expect([...halves]).toEqual([0xfffffffe, 1]);
    });

    it("what is no half, no place and no array of two is refused", () => {
      const halves = [2 ** 32, -(2 ** 31) - 1, 0.5, 1n, undefined] as number[];
      const arrays = [new Uint32Array(1), new Uint8Array(8), undefined] as Uint32Array[];
      expectAllRefused(
        [
          ...halves.map((half) => () => bulk.writeHalves(0, half, 0)),
          ...halves.map((half) => () => bulk.writeHalves(0, 0, half)),
          ...arrays.map((array) => () => bulk.readHalves(0, array)),
        ],
        "ERR_VFIO_REGISTER_VALUE",
      );
      for (const offset of [4, BYTES, NaN]) {
        expect(errorOf(() => bulk.readHalves(offset, new Uint32Array(2))).message).toContain("(width 8)");
        expect(errorOf(() => bulk.writeHalves(offset, 0, 0)).code).toBe("ERR_VFIO_REGISTER_OFFSET");
      }
    });
  });

  describe("given a register that is polled", () => {
    it("the answer is its last value, whether it is the wanted one or not", () => {
      mapping.registers.write64(0, 0x8000_0000_1234_5678n);

      expect(bulk.poll(0, 32, 0xff, 0x78, 1_000_000)).toBe(0x12345678);
      expect(bulk.poll(0, 8, 0xff, 0, 0)).toBe(0x78);
      expect(bulk.poll(0, 16, 1, 1, 20)).toBe(0x5678);
      expect(bulk.poll(8, 32, 1, 0, 20)).toBe(0);
      expect(bulk.poll(0, 64, 1n << 63n, 1n << 63n, 1_000_000)).toBe(0x8000_0000_1234_5678n);
    });

    it("another thread's write ends it", async () => {
      const worker = startWorker(
        `const { registers } = vfio.Mapping.fromHandle(workerData);
       port.postMessage("ready");
       while (registers.read32(64) === 0);
       registers.write32(0, 0x30);`,
        mapping.handle,
      );
      await nextMessage(worker);
      mapping.registers.write32(64, 1);

      expect(bulk.poll(0, 32, 0xf0, 0x30, 20_000_000)).toBe(0x30);
      await worker.terminate();
    });

    it("for long, it is polled to its end: the wanted value's, or the time's", () => {
      mapping.registers.write64(0, 0x8000_0000_ffff_ffffn);

      expect(bulk.poll(0, 32, -1, -1, 60_000_000)).toBe(0xffff_ffff);
      expect(bulk.poll(0, 64, 1n << 63n, 1n << 63n, 60_000_000)).toBe(0x8000_0000_ffff_ffffn);
      expect(bulk.poll(0, 32, 1, 0, 5000)).toBe(0xffff_ffff);
      expect(bulk.poll(0, 64, 1n, 0n, 5000)).toBe(0x8000_0000_ffff_ffffn);
    });

    it.each([
      [32, 1],
      [64, 1n],
    ])("of %s bits, for days, the time that node:vm gives it ends it", (width, bit) => {
      const context = { poll: () => bulk.poll(0, width as 32, bit as number, bit as number, 2 ** 40) };
      expect((): unknown => runInNewContext("poll()", context, { timeout: 20 })).toThrow(
        "timed out after 20ms",
      );
    });

    it("masks that do not fit, and times and widths that are none, are refused", () => {
      const refused = [
        ...[-1, 0.5, Infinity, 2 ** 40 + 1, 5000.5].map((time) => () => bulk.poll(0, 32, 1, 1, time)),
        () => bulk.poll(0, 8, 256, 0, 0),
        () => bulk.poll(0, 16, 0, 65536, 0),
        () => bulk.poll(0, 32, 2 ** 32, 0, 0),
        () => bulk.poll(0, 32, 1.5, 0, 0),
        () => bulk.poll(0, 24 as 32, 1, 1, 0),
        () => bulk.poll(0, 64, 1n << 64n, 0n, 0),
      ];
      expectAllRefused(refused, "ERR_VFIO_REGISTER_VALUE");
      expect(errorOf(() => bulk.poll(BYTES, 32, 0, 0, 0)).code).toBe("ERR_VFIO_REGISTER_OFFSET");
    });
  });

  describe("given one that is closed", () => {
    it("after close every use says so, and none can be made", () => {
      mapping.close();

      const uses = [
        () => bulk.readBlock(0, new Uint8Array(1)),
        () => bulk.writeFifo(0, new Uint8Array(1)),
        () => bulk.readHalves(0, new Uint32Array(2)),
        () => bulk.writeHalves(0, 1, 1),
        () => bulk.poll(0, 32, 1, 1, 1000),
        () => new BulkRegisters(mapping),
      ];
      expectAllRefused(uses, "ERR_VFIO_CLOSED");
    });
  });
});

describe("given a read-only mapping", () => {
  it("a store into a read-only mapping is an error and no SIGSEGV", () => {
    using readOnly = mapMemory(BYTES, { writable: false });
    const registers = new BulkRegisters(readOnly);

    registers.readBlock(0, new Uint8Array(8));
    const writes = [
      () => registers.writeBlock(0, Uint8Array.of(1)),
      () => registers.writeFifo(0, Uint8Array.of(1)),
      () => registers.writeHalves(0, 1, 1),
    ];
    expectAllRefused(writes, "ERR_VFIO_READ_ONLY");
  });
});
