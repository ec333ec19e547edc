import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findMsixTable, listCapabilities, type ConfigReader } from "../src/index.js";

/** A picture of a config space. */
function picture(bytes: Record<number, number>): ConfigReader {
  const view = new DataView(new ArrayBuffer(256));
  for (const [offset, value] of Object.entries(bytes)) view.setUint8(Number(offset), value);
  return readerOf(view);
}

function readerOf(view: DataView): ConfigReader {
  return {
    read8: (offset) => view.getUint8(offset),
    read16: (offset) => view.getUint16(offset, true),
    read32: (offset) => view.getUint32(offset, true),
  };
}

const HAS_LIST = { 0x06: 0x10 };

/** A config space with only an MSI-X capability, whose table has one entry. */
function msixAt(place: number): ConfigReader {
  const bytes = [0, 8, 16, 24].map((shift) => (place >>> shift) & 0xff);
  return picture({
    ...HAS_LIST,
    0x34: 0x40,
    0x40: 0x11,
    ...Object.fromEntries(bytes.map((b, i) => [0x44 + i, b])),
  });
}

describe("given a config space with a capability list", () => {
  it("every capability is found, in order; the reserved bits of pointers are ignored", () => {
    const config = picture({ ...HAS_LIST, 0x34: 0x43, 0x40: 0x01, 0x41: 0x51, 0x50: 0x05, 0x51: 0x00 });

    expect(listCapabilities(config)).toEqual([
      { id: 0x01, offset: 0x40 },
      { id: 0x05, offset: 0x50 },
    ]);
  });

  it("the MSI-X table's BAR, offset and size are decoded", () => {
    const config = picture({
      ...HAS_LIST,
      0x34: 0x40,
      0x40: 0x11,
      0x42: 0x40,
      0x43: 0x80,
      0x44: 0x02,
      0x45: 0x20,
    });

    expect(findMsixTable(config)).toEqual({ bar: 2, offset: 0x2000, vectors: 65 });
  });

  it("a table in the upper half of a 4 GiB BAR has an offset that is not negative", () => {
    const config = msixAt(0xffff_f005);

    expect(findMsixTable(config)).toEqual({ bar: 5, offset: 0xffff_f000, vectors: 1 });
  });

  it.each([6, 7])("a table in the reserved BAR %i is none", (bar) => {
    expect(findMsixTable(msixAt(0x2000 | bar))).toBeUndefined();
  });

  it("an MSI-X capability that reaches out of the standard area is none", () => {
    const config = picture({ ...HAS_LIST, 0x34: 0xf8, 0xf8: 0x11 });

    expect(findMsixTable(config)).toBeUndefined();
  });

  it("without the status bit there is no list, whatever the pointer says", () => {
    expect(listCapabilities(picture({ 0x34: 0x40, 0x40: 0x11 }))).toEqual([]);
  });

  it("a list that comes back to itself, or points into the header, ends there", () => {
    expect(listCapabilities(picture({ ...HAS_LIST, 0x34: 0x40, 0x40: 0x01, 0x41: 0x40 }))).toHaveLength(1);
    expect(listCapabilities(picture({ ...HAS_LIST, 0x34: 0x10 }))).toEqual([]);
  });

  it("whatever the config space holds, the walk ends and stays inside", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 256, maxLength: 256 }), (bytes) => {
        bytes[0x06]! |= 0x10;

        const list = listCapabilities(readerOf(new DataView(bytes.buffer, bytes.byteOffset)));

        expect(list.length).toBeLessThanOrEqual(48);
        expect(list.every(({ offset }) => offset >= 0x40 && offset <= 0xfc)).toBe(true);
      }),
    );
  });
});
