import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { realKernel, useKernel } from "../src/index.js";
import { fastReadsAreProven } from "../src/memory/fast-reads.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { mapMemory } from "./support/memory.js";

fdsStayAsTheyWere();

const BYTES = 4096;
const real = realKernel();
const { arch, versions } = process;
const BUN = { node: "26.3.0", v8: "14.6.202.34-node.20" };
afterEach(() => {
  Object.defineProperty(process, "arch", { value: arch });
  Object.defineProperty(process, "versions", { value: versions });
});

function pretend(property: "arch" | "versions", value: unknown): void {
  Object.defineProperty(process, property, { value, configurable: true });
}

/** How many reads went to the addon while `use` ran. */
function nativeReads(use: (registers: ReturnType<typeof mapMemory>["registers"]) => void): number {
  let count = 0;
  using _kernel = useKernel({
    ...real,
    registers: (handle) => {
      const native = real.registers(handle);
      if (typeof native === "number") return native;
      return {
        ...native,
        read8: (offset) => (count++, native.read8(offset)),
        read16: (offset) => (count++, native.read16(offset)),
        read32: (offset) => (count++, native.read32(offset)),
      };
    },
  });
  using mapping = mapMemory(BYTES);
  use(mapping.registers);
  return count;
}

describe("given a version of Node.js in which Atomics.load was shown to be one load", () => {
  it("this one is among them, or the test of the machine code must be extended to it", () => {
    expect(fastReadsAreProven()).toBe(true);
  });

  it("when a register is read, be it the last one, then no native call is made", () => {
    const reads = nativeReads((registers) => {
      for (const offset of [4, BYTES - 1]) registers.read8(offset);
      for (const offset of [4, 6, BYTES - 2]) registers.read16(offset);
      for (const offset of [4, BYTES - 4]) registers.read32(offset);
    });
    expect(reads).toBe(0);
  });

  it("when the offset is wrong, then the native accessor is asked, which knows the error", () => {
    for (const offset of [1, 2, -4, 4.5, BYTES, 2 ** 32, NaN, "4", 4n, null, undefined, Symbol("4")]) {
      const asked = nativeReads(({ read32 }) => {
        expect(errorOf(() => read32(offset as number))).toMatchObject({ code: "ERR_VFIO_REGISTER_OFFSET" });
      });
      expect(asked, String(offset)).toBe(1);
    }
  });

  it("any number gives the native accessor's value, or its error", () => {
    using mapping = mapMemory(BYTES);
    new Uint8Array(mapping.buffer).forEach((_, at, all) => (all[at] = at * 37));
    const native = real.registers(mapping.handle);
    if (typeof native === "number") throw new Error(`no registers: ${native}`);
    const numbers = fc.oneof(fc.integer({ min: -8, max: BYTES + 8 }), fc.double());
    for (const name of ["read8", "read16", "read32"] as const) {
      fc.assert(
        fc.property(numbers, (offset) => {
          expect(outcome(() => mapping.registers[name](offset))).toEqual(outcome(() => native[name](offset)));
        }),
      );
    }
  });
});

describe("given anything else, then every read is a native call", () => {
  it("another processor", () => {
    pretend("arch", "arm64");
    expect(nativeReads((registers) => registers.read32(4))).toBe(1);
  });

  it.each([
    ["a version of V8 that nobody has looked at", { node: "25.1.0", v8: "14.1.146.11-node.14" }],
    ["another V8 in a Node.js of a proven major", { node: "26.20.0", v8: "14.7.12.1-node.2" }],
    ["Electron's V8", { node: "22.19.0", v8: "12.4.254.21-electron.0", electron: "37.0.0" }],
    ["Bun, which tells the versions of Node.js 26 and its V8", { ...BUN, bun: "1.4.4" }],
    ["Deno, which tells that of Node.js 26", { node: "26.3.0", v8: "15.0.245.2-rusty", deno: "2.9.6" }],
  ])("%s", (_, told) => {
    pretend("versions", { ...versions, ...told });
    expect(nativeReads((registers) => registers.read32(4))).toBe(1);
  });
});

function outcome(read: () => number): unknown {
  try {
    return read();
  } catch (error) {
    return (error as Error).message;
  }
}
