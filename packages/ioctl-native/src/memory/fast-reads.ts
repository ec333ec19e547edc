import type { RegisterFunctions } from "../kernel/system-calls.js";
import { runtimeName } from "../kernel/runtime.js";

/**
 * The versions of V8 (of Node.js 20, 22, 24 and 26) for which a test has shown, by the machine code and by what a
 * device sees, that `Atomics.load` on a typed array is one load of exactly the element's width, whatever the compiler
 * makes of its caller. V8 does not promise that, so in any other version reads are native calls, as writes are.
 */
const PROVEN_ENGINES = ["11.3", "12.4", "13.6", "14.6"];

/**
 * True where {@link fastReads} may be used. Bun reports versions of Node.js and V8, but has another engine; Electron
 * and Deno build V8 in their own ways, which its version shows.
 */
export function fastReadsAreProven(): boolean {
  const [, engine = ""] = /^(\d+\.\d+)\.[\d.]+-node\.\d+$/.exec(process.versions.v8) ?? [];
  return process.arch === "x64" && runtimeName() === "Node.js" && PROVEN_ENGINES.includes(engine);
}

/**
 * Register accessors whose reads of up to 32 bits need no native call, and take a third of the time.
 *
 * Stores stay native: `Atomics.store` is a locked exchange on x86, which on a device's memory locks the whole bus.
 * @param native does everything else, and every wrong call: it knows the error.
 * @param view of the mapping's memory. Once it is detached its length is 0, and every read is native.
 */
export function fastReads(native: RegisterFunctions, view: ArrayBuffer): RegisterFunctions {
  const bytes = new Uint8Array(view);
  const halves = new Uint16Array(view, 0, view.byteLength >>> 1);
  // Signed: `Atomics.load` would allocate an object for an unsigned number from 2^31 on; the shift below does not.
  const words = new Int32Array(view, 0, view.byteLength >>> 2);
  return {
    ...native,
    // An offset that is no whole number below 2^32, or no multiple of the width, does not survive the shifting.
    read8: (offset) => {
      if (typeof offset !== "number" || offset >>> 0 !== offset || offset >= bytes.length)
        return native.read8(offset);
      return Atomics.load(bytes, offset);
    },
    read16: (offset) => {
      if (typeof offset !== "number") return native.read16(offset);
      const index = offset >>> 1;
      if ((index << 1) >>> 0 !== offset || index >= halves.length) return native.read16(offset);
      return Atomics.load(halves, index);
    },
    read32: (offset) => {
      if (typeof offset !== "number") return native.read32(offset);
      const index = offset >>> 2;
      if ((index << 2) >>> 0 !== offset || index >= words.length) return native.read32(offset);
      return Atomics.load(words, index) >>> 0;
    },
  };
}
