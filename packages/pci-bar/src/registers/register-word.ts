import type { RegisterRegion } from "./raw-register.js";
import { encoderOf, fieldError, half, isNumberBelow, maskOf } from "./register-field.js";
import type { FieldLayout } from "./register-layout.js";

/**
 * Reads a field of a 32-bit register in one expression. Each kind of field has its own functions: V8 inlines them, and
 * the access in them, only where a place in the program always calls the same one.
 */
export function wordReader(
  field: FieldLayout,
  { read32 }: RegisterRegion,
  offset: number,
): () => boolean | number | string {
  const mask = half(maskOf(field), 0);
  const shift = field.low;
  if (field.kind === "flag") return () => (read32(offset) & mask) !== 0;
  if (field.kind === "number") return () => (read32(offset) & mask) >>> shift;
  const { values } = field;
  return () => {
    const value = (read32(offset) & mask) >>> shift;
    return values.get(value) ?? value;
  };
}

/**
 * Writes such a field.
 * @param keep the bits of the register to write back as read.
 * @param base the value of all other bits.
 */
export function wordWriter(
  field: FieldLayout,
  { read32, write32 }: RegisterRegion,
  offset: number,
  keep: number,
  base: number,
): (value: unknown) => void {
  const mask = half(maskOf(field), 0);
  const kept = keep & ~mask;
  const others = base & ~mask;
  const shift = field.low;
  if (field.kind === "flag")
    return (value) => {
      if (typeof value !== "boolean") throw fieldError(field, value);
      write32(offset, (read32(offset) & kept) | others | (value ? mask : 0));
    };
  if (field.kind === "number") {
    const limit = 2 ** (field.high - shift + 1);
    return (value) => {
      if (!isNumberBelow(limit, value)) throw fieldError(field, value);
      write32(offset, (read32(offset) & kept) | others | (value << shift));
    };
  }
  const encode = encoderOf(field);
  return (value) => {
    const bits = encode(value) << shift;
    write32(offset, (read32(offset) & kept) | others | bits);
  };
}
