import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BulkRegisters, type Mapping } from "../src/index.js";
import { expectAllRefused, expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { mapMemory } from "./support/memory.js";

fdsStayAsTheyWere();

const BYTES = 4096;
const PART = { offset: 0x108, bytes: 0x20 };
let mapping: Mapping;
beforeEach(() => (mapping = mapMemory(BYTES)));
afterEach(() => mapping.close());

describe("given registers on a part of a mapping", () => {
  it.each([8, 16, 32] as const)("%i bits lie where the part begins, and nowhere else", (bits) => {
    const part = mapping.registersOf(PART.offset, PART.bytes);
    const last = PART.bytes - bits / 8;

    part[`write${bits}`](0, 0x5a);
    part[`write${bits}`](last, 0x69);

    expect(mapping.registers[`read${bits}`](PART.offset)).toBe(0x5a);
    expect(part[`read${bits}`](last)).toBe(0x69);
    expect(new Uint8Array(mapping.buffer).filter((byte) => byte !== 0)).toEqual(Uint8Array.of(0x5a, 0x69));
  });

  it("64 bits do, too, and blocks, halves and polling", () => {
    const part = mapping.registersOf(PART.offset, PART.bytes);
    const bulk = new BulkRegisters(mapping, PART);
    const halves = new Uint32Array(2);

    part.write64(8, 0x1_0000_0002n);
    bulk.readHalves(8, halves);
    bulk.writeBlock(0x10, Uint16Array.of(7, 8));

    expect([...halves]).toEqual([2, 1]);
    expect(mapping.registers.read64(PART.offset + 8)).toBe(0x1_0000_0002n);
    expect(mapping.registers.read32(PART.offset + 0x10)).toBe(0x8_0007);
    expect(bulk.poll(0x10, 16, 0xff, 7, 0)).toBe(7);
  });

  it.each([PART.bytes, PART.bytes - 2, -4])(
    "what is not in it is refused, at %i, with its length",
    (offset) => {
      const part = mapping.registersOf(PART.offset, PART.bytes);
      const bulk = new BulkRegisters(mapping, PART);

      for (const access of [
        () => part.read32(offset),
        () => part.write32(offset, 0),
        () => bulk.readBlock(offset, new Uint32Array(1)),
      ])
        expectRangeError(access, "ERR_VFIO_REGISTER_OFFSET", "(32 bytes)");
    },
  );

  it("it ends with the mapping", () => {
    const part = mapping.registersOf(PART.offset, PART.bytes);
    const bulk = new BulkRegisters(mapping, PART);

    mapping.close();

    const uses = [
      () => part.read32(0),
      () => part.write32(0, 0),
      () => bulk.readBlock(0, new Uint32Array(1)),
      () => mapping.registersOf(0, 8),
      () => new BulkRegisters(mapping, PART),
    ];
    expectAllRefused(uses, "ERR_VFIO_CLOSED");
  });
});

describe("given a part that a mapping does not have", () => {
  it.each([
    [4, 8],
    [-8, 8],
    [BYTES, 8],
    [BYTES - 8, 16],
    [0, -1],
    [0.5, 8],
    ["0", 8],
  ])("at %s, %s bytes: it is refused", (offset, bytes) => {
    const makes = [
      () => mapping.registersOf(offset as number, bytes),
      () => new BulkRegisters(mapping, { offset: offset as number, bytes }),
    ];
    expectAllRefused(makes, "ERR_VFIO_MAP_RANGE");
  });
});
