import { constants } from "node:buffer";
import { describe, expect, it } from "vitest";
import { errorOf, expectRangeError } from "./support/errors.js";
import { collectGarbageUntil, fdsStayAsTheyWere, mapAt } from "./support/leaks.js";
import { mapMemory } from "./support/memory.js";

fdsStayAsTheyWere();
const PAGE = 4096;
const GIB = 2 ** 30;

describe("windows on a mapping", () => {
  it("show a part of it, from any multiple of 8 on", () => {
    using mapping = mapMemory(2 * PAGE);
    const words = new Uint32Array(mapping.buffer);
    words[2] = 7;
    const part = mapping.view(8, 16);
    expect([part.byteLength, new Uint32Array(part)[0]]).toEqual([16, 7]);
    new Uint8Array(mapping.view(PAGE))[0] = 9;
    expect([words[PAGE / 4], mapping.view(PAGE).byteLength, mapping.view(2 * PAGE).byteLength]).toEqual([
      9,
      PAGE,
      0,
    ]);
    expect(mapping.buffer).toBe(mapping.buffer);
  });

  it.each([-8, 4, PAGE, NaN, 2 ** 53, "8"])("from %s on are refused", (offset) => {
    using mapping = mapMemory(PAGE);
    expectRangeError(() => mapping.view(offset as number, 8), "ERR_VFIO_MAP_RANGE");
  });

  it.each([-1, 0.5, PAGE, NaN])("of %s bytes are refused", (bytes) => {
    using mapping = mapMemory(PAGE);
    expectRangeError(() => mapping.view(8, bytes), "ERR_VFIO_MAP_RANGE");
  });

  it("are all detached by its close", () => {
    const mapping = mapMemory(2 * PAGE);
    const views = [mapping.view(0), mapping.buffer, mapping.view(PAGE, 8), mapping.view(PAGE, 8)];
    mapping.close();
    expect(views.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0, 0]);
    expect(errorOf(() => mapping.view(0)).code).toBe("ERR_VFIO_CLOSED");
  });

  it("that nobody has any more are not kept for that", async () => {
    const mapping = mapMemory(PAGE);
    let left = 1000;
    const registry = new FinalizationRegistry(() => left--);
    for (let view = 0; view < 1000; view++) registry.register(mapping.view(0, 8), undefined);
    await collectGarbageUntil(() => left === 0);
    mapping.close();
    await collectGarbageUntil(() => !(mapAt(mapping.address) ?? "").includes("vfio-dma"));
  });

  it("are the way to memory that is larger than an ArrayBuffer may be", () => {
    using mapping = mapMemory(5 * GIB);
    const last = new Uint32Array(mapping.view(5 * GIB - PAGE));
    last[0] = 7;
    expect(mapping.registers.read32(5 * GIB - PAGE)).toBe(7);
    if (constants.MAX_LENGTH < 5 * GIB) {
      const error = errorOf(() => mapping.buffer);
      expect(error.code).toBe("ERR_VFIO_VIEW_SIZE");
      expect(error.message).toContain(`Node.js ${process.versions.node} allows 4294967296`);
      expect(error.message).toContain("view(offset, bytes)");
    } else {
      expect(new Uint32Array(mapping.buffer, 5 * GIB - PAGE)[0]).toBe(7);
    }
  });
});
