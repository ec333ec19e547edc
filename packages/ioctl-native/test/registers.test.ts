import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Mapping, RegisterFunctions } from "../src/index.js";
import { errorOf, expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { mapMemory, PLACES } from "./support/memory.js";

fdsStayAsTheyWere();

const BYTES = 4096;
let mapping: Mapping;
let registers: RegisterFunctions;
let view: DataView;

const READS = { read8: 1, read16: 2, read32: 4, read64: 8 } as const;
const WRITES = { write8: 1, write16: 2, write32: 4, write64: 8 } as const;
type WriteName = keyof typeof WRITES;
const reads = Object.entries(READS) as [keyof typeof READS, number][];
const writes = Object.entries(WRITES) as [WriteName, number][];

describe.each(PLACES)("given a mapping%s:", (_, place) => {
  beforeAll(() => {
    mapping = mapMemory(BYTES, { within: place() });
    registers = mapping.registers;
    view = new DataView(mapping.buffer);
  });
  afterAll(() => mapping.close());

  describe("registers and views are the same memory", () => {
    it("a write of each width is seen in the view, at its place and nowhere else", () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...writes),
          fc.nat(),
          fc.bigInt(0n, 2n ** 64n - 1n),
          ([name, width], at, any) => {
            const offset = ((at % (BYTES - 16)) & ~7) + 8;
            const value = BigInt.asUintN(width * 8, any);
            new Uint8Array(mapping.buffer).fill(0x55);
            registers[name](offset, (width === 8 ? value : Number(value)) as never);
            const expected = new DataView(new Uint8Array(24).fill(0x55).buffer);
            for (let i = 0; i < width; i++) expected.setUint8(8 + i, Number((value >> BigInt(8 * i)) & 255n));
            expect(new Uint8Array(mapping.buffer, offset - 8, 24)).toEqual(new Uint8Array(expected.buffer));
          },
        ),
      );
    });

    it("a read of each width sees what the view wrote", () => {
      view.setBigUint64(16, 0xfedcba9876543210n, true);
      expect(registers.read8(16)).toBe(0x10);
      expect(registers.read16(16)).toBe(0x3210);
      expect(registers.read32(20)).toBe(0xfedcba98);
      expect(registers.read64(16)).toBe(0xfedcba9876543210n);
    });

    it("the last register of each width lies at the end", () => {
      for (const [name, width] of reads) expect(registers[name](BYTES - width)).toBeDefined();
    });
  });

  describe("an offset outside the mapping, or between registers, is a RangeError", () => {
    const numbers = [BYTES, BYTES + 8, -1, -8, -0.5, 0.5, NaN, Infinity, -Infinity, 1e300];
    const others = [undefined, null, "0", 0n, {}, [], true, Symbol("offset")];
    const wrong = [...numbers, ...[31, 32, 53, 64].map((bits) => 2 ** bits), ...others];

    it.each([...reads, ...writes])("%s refuses every one and touches nothing", (name, width) => {
      new Uint8Array(mapping.buffer).fill(0);
      const access = registers[name] as (offset: unknown, value: unknown) => unknown;
      const misaligned = width === 1 ? [] : [1, width - 1, width + 1, BYTES - width + 1];
      for (const offset of [...wrong, ...misaligned]) {
        const use = (): unknown => access(offset, width === 8 ? 1n : 1);
        expectRangeError(use, "ERR_VFIO_REGISTER_OFFSET", `(width ${width})`, "4096 bytes");
      }
      expect(new Uint8Array(mapping.buffer).every((byte) => byte === 0)).toBe(true);
    });

    it("no argument at all is one too", () => {
      expect(errorOf(() => (registers.read32 as () => number)()).code).toBe("ERR_VFIO_REGISTER_OFFSET");
    });
  });

  describe("a value that the register can't hold is a RangeError", () => {
    it.each<[WriteName, unknown[]]>([
      ["write8", [256, -129]],
      ["write16", [65536, -32769]],
      ["write32", [2 ** 32, -(2 ** 31) - 1, 1.5, NaN, Infinity, 1e300, 1n, "1", undefined, Symbol("value")]],
      ["write64", [2n ** 64n, -1n, 1, undefined]],
    ])("%s refuses %o and writes nothing", (name, values) => {
      registers.write64(0, 0x5555555555555555n);
      for (const value of values) {
        const write = (): unknown => registers[name](0, value as never);
        expectRangeError(write, "ERR_VFIO_REGISTER_VALUE", `${WRITES[name] * 8} bits`);
      }
      expect(registers.read64(0)).toBe(0x5555555555555555n);
    });

    it.each([
      ["write64", 5, "a bigint from 0n to 2n ** 64n - 1n, not 5"],
      ["write64", undefined, "a bigint from 0n to 2n ** 64n - 1n, not undefined"],
      ["write64", -1n, "a bigint from 0n to 2n ** 64n - 1n, not -1n"],
      ["write32", 5n, "a number, a whole one from -(2 ** 31) to 2 ** 32 - 1, not 5n"],
      ["write32", 1.5, "a number, a whole one from -(2 ** 31) to 2 ** 32 - 1, not 1.5"],
      ["write16", "1", "a number, a whole one from -(2 ** 15) to 2 ** 16 - 1, not a string"],
      ["write8", 2n ** 4000n, "a number, a whole one from -(2 ** 7) to 2 ** 8 - 1, not a bigint"],
    ] as const)("%s(0, %s) needs %s", (name, value, text) => {
      const { message } = errorOf(() => registers[name](0, value as never));
      expect(message).toBe(`the value of a register of ${WRITES[name] * 8} bits must be ${text}`);
    });

    it.each([
      [undefined, "undefined"],
      ["0", "a string"],
      [0n, "0n"],
      [4096, "4096"],
      [NaN, "NaN"],
    ])("the error of the offset %s says what it got", (offset, shown) => {
      const { message } = errorOf(() => registers.read32(offset as never));
      expect(message).toContain(`register offset ${shown} (width 4)`);
    });

    it("but what JavaScript's bit operators make of the highest bit is accepted", () => {
      for (const [bits, value, read] of [
        [32, ~0, 0xffffffff],
        [32, 1 << 31, 0x80000000],
        [16, -1, 0xffff],
        [8, -128, 0x80],
        [32, -0, 0],
      ] as const) {
        registers[`write${bits}`](0, value);
        expect(registers[`read${bits}`](0)).toBe(read);
      }
    });
  });
});
