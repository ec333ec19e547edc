import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Struct } from "../src/index.js";
import { errorOf, expectRangeError } from "./support/errors.js";

const everything = new Struct("everything", 32, {
  a: [0, "u8"],
  b: [2, "u16"],
  c: [4, "u32"],
  d: [8, "s32"],
  e: [16, "u64"],
});

const values = fc.record({
  a: fc.integer({ min: 0, max: 0xff }),
  b: fc.integer({ min: 0, max: 0xffff }),
  c: fc.integer({ min: 0, max: 0xffffffff }),
  d: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  e: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

describe("a struct goes into bytes and comes back", () => {
  it("with every value of every type", () => {
    fc.assert(
      fc.property(values, (given) => {
        expect(everything.decode(everything.encode(given))).toEqual(given);
      }),
    );
  });

  it("at any offset of a larger buffer, leaving everything around it alone", () => {
    fc.assert(
      fc.property(values, fc.nat(64), (given, at) => {
        const buffer = new Uint8Array(128).fill(0xaa);
        everything.write(buffer, given, at);
        expect(everything.decode(buffer, at)).toEqual(given);
        expect(buffer.subarray(0, at).every((byte) => byte === 0xaa)).toBe(true);
        expect(buffer.subarray(at + 32).every((byte) => byte === 0xaa)).toBe(true);
      }),
    );
  });

  it("through a view that starts in the middle of its ArrayBuffer", () => {
    const whole = new Uint8Array(64);
    everything.write(whole.subarray(8, 40), { c: 7 });
    expect(whole[12]).toBe(7);
    expect(everything.decode(whole.subarray(8, 40)).c).toBe(7);
  });

  it("in the machine's byte order, and with zeroes where nothing was given", () => {
    expect([...everything.encode({ c: 0x01020304 }).subarray(0, 8)]).toEqual([0, 0, 0, 0, 4, 3, 2, 1]);
  });

  it("with room behind it, for arrays that follow", () => {
    expect(everything.encode({}, 100)).toHaveLength(100);
  });
});

describe("a value that its field can't hold is refused, not cut to size", () => {
  it.each<[string, unknown[]]>([
    ["a", [256, -1]],
    ["b", [65536]],
    ["c", [2 ** 32, -1, 1.5, NaN, Infinity, "7", null]],
    ["d", [2 ** 31, -(2 ** 31) - 1]],
    ["e", [2n ** 64n, -1n, 2 ** 53]],
  ])("%s = any of %o", (field, values) => {
    for (const value of values) {
      const encode = (): unknown => everything.encode({ [field]: value });
      expectRangeError(encode, "ERR_VFIO_STRUCT_VALUE", `everything.${field}`);
    }
  });

  it.each([
    ["a", 0, 255],
    ["b", 0, 65535],
    ["c", 0, 2 ** 32 - 1],
    ["d", -(2 ** 31), 2 ** 31 - 1],
    ["e", 0n, 2n ** 64n - 1n],
  ] as const)("while both ends of the range of %s are values like any other", (field, ...ends) => {
    for (const value of ends)
      expect(everything.decode(everything.encode({ [field]: value }))[field]).toBe(value);
  });

  it("and so is a field that the struct does not have", () => {
    for (const name of ["nonsense", "toString", "__proto__"]) {
      const error = errorOf(() => everything.encode(JSON.parse(`{"${name}":1}`) as never));
      expect(error.code).toBe("ERR_VFIO_STRUCT_VALUE");
      expect(error.message).toContain(`everything has no field ${name}`);
    }
  });
});

describe("a struct that does not fit is refused", () => {
  it.each([
    [31, 0],
    [32, 1],
    [64, -1],
    [64, 0.5],
    [64, NaN],
    [0, 0],
  ])("%d bytes at %d", (bytes, at) => {
    const buffer = new Uint8Array(bytes);
    for (const use of [() => everything.decode(buffer, at), () => everything.write(buffer, { a: 1 }, at)])
      expectRangeError(use, "ERR_VFIO_STRUCT_BOUNDS", "struct everything (32 bytes)");
  });

  it.each([31, -1, NaN, 1e300])("a new buffer of %d bytes", (bytes) => {
    expect(errorOf(() => everything.encode({}, bytes)).code).toBe("ERR_VFIO_STRUCT_BOUNDS");
  });
});
