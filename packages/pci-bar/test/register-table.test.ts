import { errorOf, expectError, leavesNothingBehind, rejectionOf } from "@vfio/test-support";
import vm from "node:vm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { defineRegisters, formatDump, type OpenRegion, type RegisterDeclarations } from "../src/index.js";
import { MemoryDevice } from "./memory-device.js";

leavesNothingBehind();

const TABLE = defineRegisters({
  id: { offset: 0x00, access: "ro", reset: 0x010000ed, text: "Version | magic" },
  status: {
    offset: 0x04,
    access: "ro",
    fields: { ready: { bit: 0 }, mode: { bits: [3, 2], values: { idle: 0, run: 1, fault: 3 } } },
  },
  control: {
    offset: 0x08,
    reset: 0x8000_0f00,
    fields: {
      enable: { bit: 0, text: "Starts it" },
      mode: { bits: [5, 4], values: { slow: 0, fast: 2 } },
      done: { bit: 6, access: "w1c" },
      depth: { bits: [15, 8] },
      version: { bits: [23, 16], access: "ro" },
      kick: { bit: 24, access: "wo" },
    },
  },
  events: { offset: 0x0c, access: "w1c", fields: { rx: { bit: 0 }, tx: { bit: 1 } } },
  errors: { offset: 0x10, width: 16, access: "rc", fields: { crc: { bits: [7, 0] } } },
  command: { offset: 0x12, width: 8, access: "wo", fields: { go: { bit: 0 }, slot: { bits: [7, 4] } } },
  queue: {
    offset: 0x20,
    width: 64,
    fields: { address: { bits: [63, 12], wide: true }, size: { bits: [11, 0] } },
  },
  limits: {
    offset: 0x28,
    width: 64,
    access: "ro",
    fields: { across: { bits: [35, 28] }, high: { bits: [47, 40] }, top: { bit: 63 } },
  },
  doorbell: { offset: 0x40, access: "wo", count: 4, stride: 8, text: "One for each queue" },
});

let device: MemoryDevice;
let bar: OpenRegion;
const bind = () => TABLE.on(bar);
let regs: ReturnType<typeof bind>;
let control: (typeof regs)["control"];
beforeEach(() => {
  device = new MemoryDevice({ 0: { bytes: 0x1000, mappable: true } });
  bar = device.pci.bar(0).map();
  regs = bind();
  ({ control } = regs);
});
afterEach(() => device[Symbol.dispose]());

/** What is in the control register, which had `given`, after a use. */
function controlAfter(given: number, use: () => void): number {
  bar.write32(8, given);
  use();
  return bar.read32(8);
}

/** A single register, laid on the BAR. */
const laid = <const D extends RegisterDeclarations[string]>(r: D) => defineRegisters({ r }).on(bar).r;

describe("given a declared register", () => {
  it("without fields it is one value, raw or not", () => {
    bar.write32(0, 0xfedcba98);

    expect([regs.id.read(), regs.id.readRaw()]).toEqual([0xfedcba98, 0xfedcba98]);
    expect(regs.id).toMatchObject({ name: "id", offset: 0 });
  });

  it("its fields are read by name: flags, numbers, names, and values that have no name", () => {
    bar.write32(4, 0b0101);
    expect(regs.status.read()).toEqual({ ready: true, mode: "run" });
    expect([regs.status.fields.ready.read(), regs.status.fields.mode.read()]).toEqual([true, "run"]);
    bar.write32(4, 0b1000);
    expect(regs.status.read()).toEqual({ ready: false, mode: 2 });
    expect([regs.status.fields.ready.read(), regs.status.fields.mode.read()]).toEqual([false, 2]);
  });

  it("writing it gives what is not named its value after a reset, and clears no write-1-to-clear bit", () => {
    expect(controlAfter(~0, () => control.write({ mode: "fast", depth: 3 }))).toBe(0x8000_0320);
    expect(controlAfter(~0, () => control.write({}))).toBe(0x8000_0f00);
    expect(controlAfter(~0, () => control.write({ done: true, mode: 1 }))).toBe(0x8000_0f50);
  });

  it("modifying it keeps the rest, but for bits that ones would clear", () => {
    expect(controlAfter(0x80aa_ff41, () => control.modify({ depth: 0x12, enable: false }))).toBe(0x80aa_1200);
    expect(controlAfter(0x40, () => control.fields.mode.write("fast"))).toBe(0x20);
    expect(controlAfter(0x20, () => control.modify({ done: true }))).toBe(0x60);
  });

  it("a field that can only be written gets its value after a reset, whatever its bit reads as", () => {
    expect(controlAfter(0x0100_0000, () => control.modify({ enable: true }))).toBe(1);
    expect(controlAfter(0x0100_0000, () => control.fields.enable.write(true))).toBe(1);
    expect(controlAfter(1, () => control.fields.kick.write(true))).toBe(0x0100_0001);
  });

  it.each([16, 32] as const)(
    "a field of %d bits that can only be written gets its value after a reset",
    (width) => {
      const fields = { lock: { bits: [15, 8], access: "wo" }, on: { bit: 0 } } as const;
      const register = laid({ offset: 0x84, width, reset: 0xa5_00, fields });
      for (const use of [() => register.fields.on.write(true), () => register.modify({ on: true })]) {
        bar.write32(0x84, 0xff02);
        use();
        expect(bar.read32(0x84)).toBe(0xa503);
      }
    },
  );

  it("the high half of 64 bits keeps its rest, clears no bit, and gets the value after a reset, as the low half", () => {
    const fields = {
      low: { bit: 0 },
      kept: { bits: [39, 32] },
      once: { bit: 40, access: "w1c" },
      lock: { bits: [55, 48], access: "wo" },
    } as const;
    const register = laid({ offset: 0x100, width: 64, reset: 0x00a5_0000_0000_0000n, fields });
    for (const use of [() => register.fields.low.write(true), () => register.modify({ low: true })]) {
      bar.write64(0x100, 0x00ff_015a_0000_0000n);
      use();
      expect(bar.read64(0x100)).toBe(0x00a5_005a_0000_0001n);
    }
  });

  it("a field is written as modify writes it, in a register of any width, whatever kind the field has", () => {
    for (const width of [16, 32, 64] as const) {
      const r = laid({
        offset: 0xc0,
        width,
        fields: {
          flag: { bit: 15 },
          number: { bits: [14, 8] },
          name: { bits: [7, 4], values: { four: 4 } },
          once: { bit: 0, access: "w1c" },
        },
      });
      const { flag, number, name, once } = r.fields;
      bar.write32(0xc0, 0x000f);
      flag.write(true);
      number.write(0x7f);
      name.write("four");
      expect(bar.read32(0xc0)).toBe(0xff4e);
      name.write(5);
      flag.write(false);
      once.write(true);
      expect(bar.read32(0xc0)).toBe(0x7f5f);
      expect(r.read()).toEqual({ flag: false, number: 0x7f, name: 5, once: true });
      expect([flag.read(), number.read(), name.read(), once.read()]).toEqual([false, 0x7f, 5, true]);

      for (const [use, words] of [
        [() => flag.write(1 as never), "flag cannot be 1: it takes true or false"],
        [() => number.write(128), "number cannot be 128: it takes a number of 7 bits"],
        [() => number.write("1" as never), "number cannot be 1"],
        [() => name.write("five" as never), "name cannot be five: it takes four, or a number of 4 bits"],
        [() => name.write(undefined as never), "name cannot be undefined"],
      ] as const)
        expectError(use, `ERR_VFIO_REGISTER_FIELD … ${words}`);
      expect(bar.read32(0xc0)).toBe(0x7f5f);
    }
  });

  it("what is written may be computed from what registers are at that moment, this one included", () => {
    for (const width of [8, 16, 32, 64] as const) {
      const fields = { low: { bits: [3, 0] }, middle: { bits: [5, 4] }, high: { bits: [7, 6] } } as const;
      const r = laid({ offset: 0xc0, width, reset: 0x20, fields });
      const values = {
        low: 5,
        get high() {
          return r.read().high + r.fields.middle.read() + regs.queue.read().size;
        },
      };
      for (const [way, becomes] of [
        ["write", 0xa5],
        ["modify", 0x95],
      ] as const) {
        bar.write32(0xc0, 0x5f);
        r[way](values);
        expect(bar.read32(0xc0)).toBe(becomes);
      }
    }
  });

  it("values of all 32 bits are read as they are written, the highest bit included", () => {
    const all = laid({ offset: 0x90, fields: { every: { bits: [31, 0] } } });
    for (const value of [0xffff_ffff, 0xdead_beef, 0x8000_0000, 0]) {
      all.fields.every.write(value);
      expect([bar.read32(0x90), all.fields.every.read(), all.read().every]).toEqual([value, value, value]);
      bar.write32(0x90, 0);
      all.modify({ every: value });
      expect(bar.read32(0x90)).toBe(value);
    }
  });

  it("one whose fields are all read only is written with its value after a reset, and takes no field", () => {
    const r = laid({ offset: 0x90, reset: 0x55, fields: { id: { bits: [7, 0], access: "ro" } } });

    r.write({});
    expect(r.read()).toEqual({ id: 0x55 });
    expectError(
      () => r.modify({ id: 1 }),
      "ERR_VFIO_REGISTER_FIELD … has no field id that can be written; it has none",
    );
  });

  it("one whose bits all clear by ones is written with nothing but what is named", () => {
    bar.write32(0x0c, 0xffffffff);

    regs.events.modify({ tx: true });
    expect(bar.read32(0x0c)).toBe(2);
    bar.write32(0x0c, 0xffffffff);
    regs.events.write({ rx: true });
    expect(bar.read32(0x0c)).toBe(1);
  });

  it("with 8 or 16 bits it is accessed at its width: its neighbours keep their value", () => {
    bar.write32(0x10, 0xffff_1234);

    expect(regs.errors.read()).toEqual({ crc: 0x34 });
    regs.command.write({ go: true, slot: 5 });
    expect(bar.read32(0x10)).toBe(0xff51_1234);
    regs.command.writeRaw(7);
    expect(bar.read32(0x10)).toBe(0xff07_1234);
  });

  it("with 64 bits, fields lie in either half or across, and wide ones are bigints", () => {
    regs.queue.write({ address: 0xf_ffff_ffff_ffffn, size: 0xabc });
    expect(bar.read64(0x20)).toBe(0xffff_ffff_ffff_fabcn);
    regs.queue.modify({ address: 1n });
    expect(regs.queue.read()).toEqual({ address: 1n, size: 0xabc });
    expect(regs.queue.readRaw()).toBe(0x1abcn);

    bar.write64(0x28, 0x8000_5a0c_3000_0000n);
    expect(regs.limits.read()).toEqual({ across: 0xc3, high: 0x5a, top: true });
  });

  it("an array of them has one at each stride", () => {
    regs.doorbell.at(3).writeRaw(9);

    expect(bar.read32(0x58)).toBe(9);
    expect([...regs.doorbell].map(({ name, offset }) => `${name} ${offset.toString(16)}`)).toEqual([
      ...["doorbell[0] 40", "doorbell[1] 48", "doorbell[2] 50", "doorbell[3] 58"],
    ]);
    for (const index of [4, -1, 0.5, NaN]) {
      const expected = `ERR_VFIO_REGISTER_OFFSET … there is no doorbell[${index}]: it has 4`;
      expectError(() => regs.doorbell.at(index), expected);
    }
  });

  it("what its access forbids is not there", () => {
    expect(Object.keys(regs.status)).toEqual([
      ...["name", "offset", "readRaw", "read", "waitFor", "waitForSync", "fields"],
    ]);
    expect(Object.keys(regs.command)).toEqual(["name", "offset", "writeRaw", "write", "fields"]);
    expect(Object.keys(regs.errors)).not.toContain("write");
    expect(Object.keys(control.fields.version)).toEqual(["read"]);
    expect(regs.command.fields.go).toEqual({});
    expect(Object.keys(control.fields.kick)).toEqual(["write"]);
    expect(control.read()).not.toHaveProperty("kick");
  });

  it("after the region's close it says so", () => {
    bar.close();

    for (const use of [() => regs.id.read(), () => control.modify({}), () => regs.queue.read()])
      expectError(use, "ERR_VFIO_CLOSED");
  });
});

describe("given values that a field cannot hold", () => {
  it("each is a RangeError that names the field and what it takes; nothing is written", () => {
    bar.write32(8, 0x55);
    const untyped = control as unknown as Record<"modify" | "write", (values: object) => void>;
    for (const [values, words] of [
      [{ depth: 256 }, "the field depth cannot be 256: it takes a number of 8 bits"],
      [{ depth: -1 }, "depth cannot be -1"],
      [{ depth: 0.5 }, "depth cannot be 0.5"],
      [{ depth: true }, "depth cannot be true"],
      [{ depth: "1" }, "depth cannot be 1"],
      [{ depth: undefined }, "depth cannot be undefined"],
      [{ enable: 1 }, "enable cannot be 1: it takes true or false"],
      [{ mode: "quick" }, "mode cannot be quick: it takes slow, fast, or a number of 2 bits"],
      [
        { version: 1 },
        "the register control has no field version that can be written; it has enable, mode, done",
      ],
      [{ enabled: true }, "has no field enabled"],
    ] as const) {
      for (const use of [() => untyped.modify(values), () => untyped.write(values)])
        expect(expectError(use, `ERR_VFIO_REGISTER_FIELD … ${words}`)).toBeInstanceOf(RangeError);
    }
    expect(errorOf(() => control.write({ depth: 256 })).stack).toContain("@vfio/pci-bar/unrolled-fields");
    expectError(() => regs.queue.write({ address: 1n << 52n }), "ERR_VFIO_REGISTER_FIELD");
    expectError(() => regs.queue.write({ address: 1 as never }), "… a bigint of 52 bits");
    expect(bar.read32(8)).toBe(0x55);
  });

  it("what is no object with fields is refused, and nothing is written", () => {
    bar.write32(8, 0x55);
    for (const values of [undefined, null, 5]) {
      for (const use of [() => control.modify(values as never), () => control.write(values as never)])
        expectError(use, `ERR_VFIO_REGISTER_FIELD … written by an object with its fields, not ${values}`);
    }
    expect(bar.read32(8)).toBe(0x55);
  });

  it("a raw value that does not fit is the accessor's error", () => {
    expectError(() => control.writeRaw(2 ** 32), "ERR_VFIO_REGISTER_VALUE");
  });
});

describe("given any layout of fields", () => {
  /** Cuts a register of so many bits into fields at some places. */
  const layout = fc.constantFrom(8, 16, 32, 64).chain((width) =>
    fc.record({
      width: fc.constant(width),
      cuts: fc.uniqueArray(fc.integer({ min: 1, max: width - 1 }), { maxLength: 6 }),
      raw: fc.bigInt(0n, (1n << BigInt(width)) - 1n),
      wide: fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
    }),
  );

  it("what is written field by field is read so, and lies where the bits say", () => {
    fc.assert(
      fc.property(layout, ({ width, cuts, raw, wide }) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), width];
        const spans = edges.slice(1).map((end, index) => {
          const [low, bits] = [edges[index]!, end - edges[index]!];
          return { low, bits, wide: wide[index]! || bits > 53 };
        });
        const valueOf = ({ low, bits, wide }: (typeof spans)[number]) => {
          const value = BigInt.asUintN(bits, raw >> BigInt(low));
          return wide ? value : Number(value);
        };
        const fields = Object.fromEntries(
          spans.map(({ low, bits, wide }) => [`f${low}`, { bits: [low + bits - 1, low] as const, wide }]),
        );
        const register = laid({ offset: 0x100, width, fields }) as unknown as {
          write(values: object): void;
          modify(values: object): void;
          read(): object;
          fields: Record<string, { read(): unknown; write(value: unknown): void }>;
        };
        const values = Object.fromEntries(spans.map((span) => [`f${span.low}`, valueOf(span)]));

        register.write(values);
        expect(register.read()).toEqual(values);
        expect(BigInt(bar[`read${width}`](0x100))).toBe(raw);
        for (const [name, value] of Object.entries(values)) {
          register.modify({ [name]: value });
          expect(register.fields[name]!.read()).toBe(value);
        }
        expect(BigInt(bar[`read${width}`](0x100))).toBe(raw);
        register.write({});
        for (const [name, value] of Object.entries(values)) register.fields[name]!.write(value);
        expect(BigInt(bar[`read${width}`](0x100))).toBe(raw);
      }),
    );
  });
});

describe("given fields of any names", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom('"', "\\", "`${halves}`", "\u2028", "\ud800"),
    fc.constantFrom("halves", "__proto__", "constructor", "toString", "0"),
  );
  const names = fc.uniqueArray(name, { minLength: 1, maxLength: 8 });

  it("each is written, read and refused under its own", () => {
    fc.assert(
      fc.property(names, ([missing = "", ...others]) => {
        const fields = Object.fromEntries(others.map((each, bit) => [each, { bit }]));
        const r = laid({ offset: 0x100, fields: { last: { bit: 31 }, ...fields } });
        fc.pre(missing !== "last" && !others.includes("last"));

        others.forEach((each, bit) => {
          r.write({ [each]: true });
          expect(bar.read32(0x100)).toBe(1 << bit);
          expect(Object.entries(r.read()).filter(([, value]) => value)).toEqual([[each, true]]);
          expect(Object.getPrototypeOf(r.read())).toBe(Object.prototype);
        });
        expectError(() => r.write({ [missing]: true }), "ERR_VFIO_REGISTER_FIELD");
      }),
    );
  });
});

describe("given a mistake in a declaration", () => {
  it.each([
    [{ offset: 2 }, "register r: its offset must be a multiple of 4"],
    [{ offset: -4 }, "its offset must be"],
    [{ offset: 0, width: 24 }, "its width must be 8, 16, 32 or 64, not 24"],
    [{ offset: 0, access: "read" }, "its access must be rw, ro, wo, w1c, rc"],
    [{ offset: 0, reset: 2 ** 32 }, "its reset value must have 32 bits"],
    [{ offset: 0, reset: 0.5 }, "its reset value must have 32 bits"],
    [{ offset: 0, acess: "ro" }, "register r: it has acess, and may have offset, width, access"],
    [{ offset: 0, fields: { f: { bit: 0, value: {} } } }, "field f of register r: it has value"],
    [{ offset: 0, count: 0 }, "its count must be 1 or more"],
    [{ offset: 0, count: 2, stride: 2 }, "its stride must be a multiple of 4"],
    [
      { offset: 0, fields: { f: { bit: 32 } } },
      "field f of register r: its bits must be [high, low] within 32 bits",
    ],
    [{ offset: 0, fields: { f: { bits: [0, 4] } } }, "not [0, 4]"],
    [{ offset: 0, fields: { f: { bits: [4, 0] }, g: { bit: 4 } } }, "register r: f and g overlap"],
    [
      { offset: 0, access: "ro", fields: { f: { bit: 0, access: "rw" } } },
      "its access must be ro in a register that is ro",
    ],
    [
      { offset: 0, width: 64, fields: { f: { bits: [53, 0] } } },
      "with 54 bits it must be declared wide: true",
    ],
    [{ offset: 0, fields: { f: { bits: [1, 0], values: { a: 4 } } } }, "a does not fit 2 bits"],
    [
      { offset: 0, fields: { f: { bits: [1, 0], values: { a: 1, b: 1 } } } },
      "two of its values are the same",
    ],
    [{ offset: 0, fields: { f: {} } }, "field f of register r: it must have either bit or bits"],
    [{ offset: 0, fields: { f: { bit: 0, bits: [1, 0] } } }, "it must have either bit or bits"],
    [{ offset: 0, fields: { f: null } }, "field f of register r: it must be an object, not null"],
    [{ offset: 0, fields: { f: 3 } }, "it must be an object, not 3"],
    [{ offset: 0, fields: { f: { bit: null } } }, "not [null, null]"],
    [{ offset: 0, fields: { f: { bits: 3 } } }, "its bits must be [high, low], not 3"],
    [{ offset: 0, fields: { f: { bits: [3] } } }, "its bits must be [high, low], not [ 3 ]"],
    [{ offset: 0, fields: { f: { bits: [3, 0], values: null } } }, "it must be an object, not null"],
    [{ offset: 0, fields: { f: { bits: [3, 0], wide: 1 } } }, "wide must be true or false, not 1"],
    [{ offset: 0, fields: { f: { bit: 3, wide: true } } }, "it takes no values, nor wide"],
    [{ offset: 0, fields: { f: { bit: 3, values: { off: 0 } } } }, "it takes no values, nor wide"],
    [
      { offset: 0, width: 64, fields: { f: { bits: [53, 0], wide: false } } },
      "it must be declared wide: true",
    ],
    [{ offset: 0, fields: null }, "register r, its fields: it must be an object, not null"],
    [null, "register r: it must be an object, not null"],
    [undefined, "register r: it must be an object, not undefined"],
    [{ offset: 0, reset: null }, "its reset value must have 32 bits"],
    [{ offset: 0, width: null }, "its width must be"],
  ])("%o is refused before any register is touched", (declaration, words) => {
    expect(
      expectError(() => defineRegisters({ r: declaration as never }), `ERR_VFIO_REGISTER_TABLE … ${words}`),
    ).toBeInstanceOf(RangeError);
  });

  it.each([null, undefined, []])("a table that is %o is refused", (table) => {
    expectError(() => defineRegisters(table as never), "ERR_VFIO_REGISTER_TABLE");
  });

  it("wide: false is a number, as without it", () => {
    const r = laid({ offset: 0x100, width: 64, fields: { f: { bits: [52, 0], wide: false } } });
    r.write({ f: 2 ** 53 - 1 });

    expectTypeOf(r.read().f).toEqualTypeOf<number>();
    expect(r.read().f).toBe(2 ** 53 - 1);
  });

  it("wide: true is a bigint, however few bits it has, and however it is accessed", () => {
    for (const width of [16, 32, 64] as const) {
      const r = laid({ offset: 0x100, width, fields: { f: { bits: [15, 8], wide: true } } });
      r.write({ f: 18n });
      expect([r.read().f, r.fields.f.read()]).toEqual([18n, 18n]);
      r.fields.f.write(19n);
      expect(bar.read32(0x100)).toBe(0x1300);
      for (const value of [19, 256n, -1n])
        expectError(
          () => r.fields.f.write(value as bigint),
          `ERR_VFIO_REGISTER_FIELD … the field f cannot be ${value}: it takes a bigint of 8 bits`,
        );
      expect(bar.read32(0x100)).toBe(0x1300);
      bar.write64(0x100, 0n);
    }
  });

  it("a register that the region does not have is found when the table is laid on it", () => {
    const table = defineRegisters({ far: { offset: 0xff8, count: 3 } });

    expectError(() => table.on(bar), "ERR_VFIO_REGISTER_OFFSET … BAR0 of 0000:00:1f.0 (4096 bytes)");
    expectError(() => table.dump(bar), "ERR_VFIO_REGISTER_OFFSET");
  });
});

describe("given a block that is there at several places", () => {
  const BLOCK = defineRegisters({
    state: { offset: 0x00, fields: { on: { bit: 0 } } },
    total: { offset: 0x08, width: 64 },
    slot: { offset: 0x10, count: 2 },
  });

  it("each base gives it there: accessors, arrays, offsets and dump", () => {
    const [first, second] = [0x200, 0x300].map((base) => BLOCK.on(bar, { base }));
    first!.state.write({ on: true });
    second!.total.writeRaw(7n);
    second!.slot.at(1).writeRaw(9);

    expect([0x200, 0x300, 0x308, 0x30c, 0x314].map((at) => bar.read32(at))).toEqual([1, 0, 7, 0, 9]);
    expect(first!.state).toMatchObject({ name: "state", offset: 0x200 });
    expect(second!.slot.at(1)).toMatchObject({ name: "slot[1]", offset: 0x314 });
    expect(
      BLOCK.dump(bar, { base: 0x300 }).map(({ name, offset, raw }) => `${name} ${offset} ${raw}`),
    ).toEqual([...["state 768 0", "total 776 7", "slot[0] 784 0", "slot[1] 788 9"]]);
    expect(formatDump(BLOCK.dump(bar, { base: 0x200 }))).toContain("0x0200  state    0x00000001 on=1\n");
  });

  it("code is compiled once for all of them, when it is needed, and only for fields", () => {
    const compiled = vi.spyOn(vm, "compileFunction");
    const table = defineRegisters({
      both: { offset: 0x00, fields: { on: { bit: 0 } } },
      plain: { offset: 0x04 },
      list: { offset: 0x10, count: 4, access: "ro", fields: { on: { bit: 0 } } },
      go: { offset: 0x08, access: "wo", fields: { on: { bit: 0 } } },
      errors: { offset: 0x0c, access: "rc", fields: { crc: { bits: [7, 0] } } },
    });
    table.markdown();
    expect(compiled).not.toHaveBeenCalled();

    for (const base of [0x100, 0x200, 0x300]) table.on(bar, { base });
    // both: two ways; list and errors: out; go: in.
    expect(compiled).toHaveBeenCalledTimes(5);
    for (const base of [0x100, 0x200]) table.dump(bar, { base });
    // A dump decodes what was read: both and list.
    expect(compiled).toHaveBeenCalledTimes(7);
    compiled.mockRestore();
  });

  it("the region's end counts from there, and a base that no register can have is refused", () => {
    expect(BLOCK.on(bar, { base: 0x1000 - 0x18 }).slot.at(1).offset).toBe(0xffc);
    for (const base of [0x1000 - 0x10, 0x1000, 4, -8, 0.5, NaN]) {
      for (const use of [() => BLOCK.on(bar, { base }), () => BLOCK.dump(bar, { base })])
        expectError(use, "ERR_VFIO_REGISTER_OFFSET … BAR0 of 0000:00:1f.0");
    }
    expectError(() => BLOCK.on(bar, { base: 0xff0 }), "… register offset 4100 (width 4)");
    expectError(
      () => BLOCK.on(bar, { base: "8" as never }),
      "ERR_VFIO_REGISTER_OFFSET … register offset '8' (width 4)",
    );
  });
});

describe("given fields that are waited for", () => {
  it("the answer is the register as it was when all of them were so", async () => {
    bar.write32(4, 0b0101);
    bar.write64(0x20, 0x1abcn);

    expect(await regs.status.waitFor({ ready: true, mode: "run" })).toEqual({ ready: true, mode: "run" });
    expect(regs.status.waitForSync({ mode: 1 })).toEqual({ ready: true, mode: "run" });
    expect(await regs.queue.waitFor({ address: 1n })).toEqual({ address: 1n, size: 0xabc });
    expect(regs.queue.waitForSync({ address: 1n, size: 0xabc }, { timeoutMs: 0 }).size).toBe(0xabc);
    bar.write16(0x10, 0x1234);
    expect(regs.errors.waitForSync({ crc: 0x34 })).toEqual({ crc: 0x34 });
  });

  it.each([undefined, 0])("they become so while others have their turn (interval %s)", async (intervalMs) => {
    let turns = 0;
    const ticking = setInterval(() => {
      if (++turns === 3) bar.write32(4, 0b1101);
    }, 1);

    const options = { timeoutMs: 20_000, ...(intervalMs !== undefined && { intervalMs }) };
    expect(await regs.status.waitFor({ mode: "fault" }, options)).toEqual({ ready: true, mode: "fault" });
    clearInterval(ticking);
  });

  it("that never become so: the error names register and fields, region and offset, and what it is", async () => {
    bar.write32(4, 0b0100);

    for (const error of [
      await rejectionOf(regs.status.waitFor({ ready: true, mode: "run" }, { timeoutMs: 0 })),
      errorOf(() => regs.status.waitForSync({ ready: true, mode: "run" }, { timeoutMs: 0 })),
    ]) {
      expect(error).toMatchObject({ code: "ERR_VFIO_TIMEOUT", cause: { code: "ERR_VFIO_TIMEOUT" } });
      expect(error.message).toContain(
        "status did not become ready=true mode=run: the register at 0x4 of BAR0",
      );
      expect(error.message).toContain("0x5 under the mask 0xd within 0 ms: it is 0x4");
    }
  });

  it("an abort is the signal's reason", async () => {
    const reason = new Error("unplugged");
    const waiting = rejectionOf(
      regs.status.waitFor({ ready: true }, { signal: AbortSignal.abort(reason), timeoutMs: Infinity }),
    );

    expect(await waiting).toBe(reason);
  });

  it("no field, none that can be read, and what a field cannot be, are RangeErrors", async () => {
    for (const [register, wanted, code, words] of [
      [regs.status, {}, "ERR_VFIO_POLL_TARGET", "no field of the register status is named"],
      [
        regs.status,
        { done: true },
        "ERR_VFIO_REGISTER_FIELD",
        "has no field done that can be read; it has ready, mode",
      ],
      [regs.control, { kick: true }, "ERR_VFIO_REGISTER_FIELD", "has no field kick that can be read"],
      [regs.status, { ready: 1 }, "ERR_VFIO_REGISTER_FIELD", "ready cannot be 1: it takes true or false"],
      [regs.status, { mode: "stop" }, "ERR_VFIO_REGISTER_FIELD", "mode cannot be stop"],
    ] as const) {
      for (const error of [
        await rejectionOf(register.waitFor(wanted as never)),
        errorOf(() => register.waitForSync(wanted as never)),
      ]) {
        expect(error).toBeInstanceOf(RangeError);
        expect(error).toMatchObject({ code });
        expect(error.message).toContain(words);
      }
    }
  });

  it("what cannot be read, or has no fields, has nothing to wait for", () => {
    expectTypeOf(regs.command).not.toHaveProperty("waitFor");
    expectTypeOf(regs.id).not.toHaveProperty("waitFor");
    expect(Object.keys(regs.command)).not.toContain("waitFor");
    expectTypeOf(regs.status.waitFor).returns.resolves.toEqualTypeOf<ReturnType<typeof regs.status.read>>();
    expectTypeOf(control.waitFor).parameter(0).not.toHaveProperty("kick");
  });
});

describe("given a region that does not reach every register", () => {
  const MIXED = defineRegisters({
    low: { offset: 0 },
    wide: { offset: 8, width: 64 },
    far: { offset: 0x1004 },
  });

  it("a dump goes past 64 bits where there are none, and past holes", () => {
    using other = new MemoryDevice({
      1: { bytes: 0x2000 },
      2: { bytes: 0x2000, sparse: [{ offset: 0, bytes: 0x1000 }], mappable: true },
    });
    const [by, holed] = [other.pci.bar(1).open(), other.pci.bar(2).map()];
    by.write32(0x1004, 5);

    const unread = { raw: undefined, fields: {} };
    const far = { name: "far", offset: 0x1004, width: 32 };
    expect(MIXED.dump(by)).toEqual([
      { name: "low", offset: 0, width: 32, raw: 0, fields: {} },
      { name: "wide", offset: 8, width: 64, ...unread, skipped: "no 64-bit access" },
      { ...far, raw: 5, fields: {} },
    ]);
    expect(MIXED.dump(holed)[2]).toEqual({ ...far, ...unread, skipped: "not mapped" });
    expect(formatDump(MIXED.dump(by))).toContain("0x0008  wide  (no 64-bit access)\n");
  });

  it("a region that is closed is no reason to go on", () => {
    bar.close();

    expectError(() => defineRegisters({ low: { offset: 0 } }).dump(bar), "ERR_VFIO_CLOSED");
  });

  it("64 bits that can never be accessed are refused when the table is laid on it", () => {
    using other = new MemoryDevice({ 1: { bytes: 0x2000 } });
    expectError(
      () => MIXED.on(other.pci.bar(1).open()),
      "ERR_VFIO_REGISTER_WIDTH … BAR1 of 0000:00:1f.0 has no 64-bit access",
    );
  });
});

describe("given a dump", () => {
  it("what cannot be read, and what reading would clear, is not read unless asked", () => {
    const touched: number[] = [];
    const { name, bytes, read64, write8, write16, write32, write64 } = bar;
    const spied = {
      ...{ name, bytes, read64, write8, write16, write32, write64 },
      read8: (offset: number) => (touched.push(offset), bar.read8(offset)),
      read16: (offset: number) => (touched.push(offset), bar.read16(offset)),
      read32: (offset: number) => (touched.push(offset), bar.read32(offset)),
      readHalves: (offset: number, halves: Uint32Array) => (
        touched.push(offset),
        bar.readHalves(offset, halves)
      ),
      writeHalves: () => expect.fail("a dump writes nothing"),
      pollMask: () => expect.fail("a dump waits for nothing"),
      pollMaskSync: () => expect.fail("a dump waits for nothing"),
    };
    const dump = TABLE.dump(spied);
    expect(touched).toEqual([0x00, 0x04, 0x08, 0x0c, 0x20, 0x28]);
    const errors = { name: "errors", offset: 0x10, width: 16, raw: undefined, fields: {} };
    expect(dump.find((each) => each.name === "errors")).toEqual({ ...errors, skipped: "reading clears it" });

    touched.length = 0;
    TABLE.dump(spied, { readClearing: true });
    expect(touched).toContain(0x10);
  });

  it("it is data first, and text from that", () => {
    bar.write32(0, 0x010000ed);
    bar.write32(4, 0b101);
    bar.write64(0x20, 0x1abcn);
    const dump = TABLE.dump(bar);

    expect(dump.slice(0, 2)).toEqual([
      { name: "id", offset: 0, width: 32, raw: 0x010000ed, fields: {} },
      { name: "status", offset: 4, width: 32, raw: 5, fields: { ready: true, mode: "run" } },
    ]);
    const text = formatDump(dump);
    expect(text).toContain("0x0000  id           0x010000ed\n");
    expect(text).toContain("0x0004  status       0x00000005 ready=1 mode=run\n");
    expect(text).toContain("0x0010  errors       (reading clears it)\n");
    expect(text).toContain("0x0020  queue        0x0000000000001abc size=0xabc address=0x1\n");
    expect(text).toContain("0x0058  doorbell[3]  (write only)\n");
    expect(formatDump([])).toBe("");
  });
});

describe("given the documentation of a table", () => {
  it("it has every register, and every field from the highest bit", () => {
    const lines = TABLE.markdown().split("\n");

    expect(lines[0]).toBe("| Offset | Register | Bits | Access | After reset | What it is |");
    expect(lines).toContain("| 0x0 | `id` | 32 | read only | 0x10000ed | Version \\| magic |");
    const doorbell = "| 0x40 | `doorbell[4]`, every 8 bytes | 32 | write only |  | One for each queue |";
    expect(lines).toContain(doorbell);
    const control = lines.indexOf("### `control` at 0x8");
    expect(lines.slice(control + 4, control + 10)).toEqual([
      "| 24 | `kick` | write only |  |  |",
      "| 23:16 | `version` | read only |  |  |",
      "| 15:8 | `depth` | read/write |  |  |",
      "| 6 | `done` | write 1 to clear |  |  |",
      "| 5:4 | `mode` | read/write | 0: slow, 2: fast |  |",
      "| 0 | `enable` | read/write |  | Starts it |",
    ]);
  });
});

describe("given the types that follow from a declaration", () => {
  it("values are what the fields are declared as", () => {
    expectTypeOf(regs.status.read()).toEqualTypeOf<{
      readonly ready: boolean;
      readonly mode: "idle" | "run" | "fault" | number;
    }>();
    expectTypeOf(regs.queue.read()).toEqualTypeOf<{ readonly address: bigint; readonly size: number }>();
    expectTypeOf(regs.id.read).returns.toEqualTypeOf<number>();
    expectTypeOf(regs.queue.readRaw).returns.toEqualTypeOf<bigint>();
    expectTypeOf(control.read()).not.toHaveProperty("kick");
    expectTypeOf(control.modify).parameter(0).toEqualTypeOf<{
      readonly enable?: boolean;
      readonly mode?: "slow" | "fast" | number;
      readonly done?: boolean;
      readonly depth?: number;
      readonly kick?: boolean;
    }>();
    expectTypeOf(control.fields.depth.write).parameter(0).toEqualTypeOf<number>();
  });

  it("what cannot be written or read has no function for it", () => {
    expectTypeOf(regs.status).not.toHaveProperty("write");
    expectTypeOf(regs.status).not.toHaveProperty("writeRaw");
    expectTypeOf(regs.status).not.toHaveProperty("modify");
    expectTypeOf(regs.errors).not.toHaveProperty("modify");
    expectTypeOf(regs.errors).toHaveProperty("read");
    expectTypeOf(regs.command).not.toHaveProperty("read");
    expectTypeOf(regs.command).not.toHaveProperty("modify");
    expectTypeOf(regs.command.fields.go).not.toHaveProperty("write");
    expectTypeOf(regs.status.fields.ready).not.toHaveProperty("write");
    expectTypeOf(control.fields.version).not.toHaveProperty("write");
    expectTypeOf(control.fields.kick).not.toHaveProperty("read");
    expectTypeOf(regs.doorbell.at(0)).not.toHaveProperty("readRaw");
    expectTypeOf(regs).not.toHaveProperty("nothing");
  });
});
