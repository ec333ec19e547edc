import { VfioRangeError } from "@vfio/ioctl-native";
import type { FieldLayout, RegisterLayout } from "./register-layout.js";

/** A value of any field. */
export type AnyFieldValue = boolean | number | bigint | string;

/**
 * Takes a field's value from the two 32-bit halves of its register. They come in an array, not as numbers: V8 allocates
 * a number of 2^31 or more for a function that it does not inline.
 */
export type FieldDecoder = (halves: Uint32Array) => AnyFieldValue;

export type FieldPlacer = (value: unknown, halves: Uint32Array) => void;

export type FieldEncoder = (value: unknown) => number;

/** The lower (0) or upper (1) half of a 64-bit mask or value, as a number from 0. */
export function half(value: bigint, which: 0 | 1): number {
  return Number(BigInt.asUintN(32, value >> BigInt(32 * which)));
}

function halfOf(bit: number): 0 | 1 {
  return bit < 32 ? 0 : 1;
}

export function whole(halves: Uint32Array): bigint {
  return (BigInt(halves[1] ?? 0) << 32n) | BigInt(halves[0] ?? 0);
}

export function maskOf({ high, low }: FieldLayout): bigint {
  return ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
}

export function isReadable({ access }: FieldLayout): boolean {
  return access !== "wo";
}

/** The common decoders touch no bigint. */
export function decoderOf(field: FieldLayout): FieldDecoder {
  if (field.kind === "flag") return flagDecoder(field);
  if (field.kind === "wide") return wideDecoder(field);
  const number = numberDecoder(field);
  if (field.kind === "number") return number;
  const { values } = field;
  return (halves) => {
    const value = number(halves);
    return values.get(value) ?? value;
  };
}

function flagDecoder(field: FieldLayout): (halves: Uint32Array) => boolean {
  const which = halfOf(field.low);
  const mask = half(maskOf(field), which);
  return (halves) => ((halves[which] ?? 0) & mask) !== 0;
}

function numberDecoder(field: FieldLayout): (halves: Uint32Array) => number {
  const mask = maskOf(field);
  const which = halfOf(field.low);
  const [lowMask, highMask] = [half(mask, which), half(mask, 1)];
  const shift = field.low % 32;
  if (halfOf(field.high) === which) return (halves) => ((halves[which] ?? 0) & lowMask) >>> shift;
  const scale = 2 ** (32 - shift);
  return (halves) => (((halves[0] ?? 0) & lowMask) >>> shift) + (((halves[1] ?? 0) & highMask) >>> 0) * scale;
}

function wideDecoder(field: FieldLayout): (halves: Uint32Array) => bigint {
  const mask = maskOf(field);
  const shift = BigInt(field.low);
  return (halves) => (whole(halves) & mask) >> shift;
}

/** It throws VfioRangeError `ERR_VFIO_REGISTER_FIELD` for a value that the field cannot hold. */
export function placerOf(field: FieldLayout): FieldPlacer {
  if (field.kind === "wide") return widePlacer(field);
  const encode = encoderOf(field);
  const which = halfOf(field.low);
  const [lowMask, highMask] = [half(maskOf(field), which), half(maskOf(field), 1)];
  const shift = field.low % 32;
  if (halfOf(field.high) === which)
    return (value, halves) =>
      void (halves[which] = ((halves[which] ?? 0) & ~lowMask) | (encode(value) << shift));
  const scale = 2 ** (32 - shift);
  return (value, halves) => {
    const number = encode(value);
    // Bit operators take a number modulo 2^32, the lower half; a division keeps the rest.
    halves[0] = ((halves[0] ?? 0) & ~lowMask) | (number << shift);
    halves[1] = ((halves[1] ?? 0) & ~highMask) | Math.floor(number / scale);
  };
}

function widePlacer(field: FieldLayout): FieldPlacer {
  const bits = field.high - field.low + 1;
  const [lowMask, highMask] = [half(maskOf(field), 0), half(maskOf(field), 1)];
  return (value, halves) => {
    if (typeof value !== "bigint" || BigInt.asUintN(bits, value) !== value) throw fieldError(field, value);
    const placed = value << BigInt(field.low);
    halves[0] = ((halves[0] ?? 0) & ~lowMask) | half(placed, 0);
    halves[1] = ((halves[1] ?? 0) & ~highMask) | half(placed, 1);
  };
}

/** The encoder of a field that is not wide. It throws VfioRangeError `ERR_VFIO_REGISTER_FIELD`. */
export function encoderOf(field: FieldLayout): FieldEncoder {
  const limit = 2 ** (field.high - field.low + 1);
  if (field.kind === "flag")
    return (value) => {
      if (typeof value === "boolean") return value ? 1 : 0;
      throw fieldError(field, value);
    };
  if (field.kind === "number")
    return (value) => {
      if (isNumberBelow(limit, value)) return value;
      throw fieldError(field, value);
    };
  const byName = new Map([...field.values].map(([number, name]) => [name, number]));
  return (value) => {
    const number = typeof value === "string" ? byName.get(value) : value;
    if (isNumberBelow(limit, number)) return number;
    throw fieldError(field, value);
  };
}

export function isNumberBelow(limit: number, value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < limit;
}

export function fieldError(field: FieldLayout, value: unknown): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_FIELD",
    `the field ${field.name} cannot be ${String(value)}: it takes ${expected(field)}`,
  );
}

export function noSuchFieldError(
  { name }: RegisterLayout,
  field: string,
  done: "read" | "written",
  fields: readonly string[],
): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_FIELD",
    `the register ${name} has no field ${field} that can be ${done}; it has ${fields.join(", ") || "none"}`,
  );
}

function expected({ kind, high, low, values }: FieldLayout): string {
  if (kind === "flag") return "true or false";
  const width = `${high - low + 1} bits`;
  if (kind === "wide") return `a bigint of ${width}`;
  const names = [...values.values()];
  return names.length === 0 ? `a number of ${width}` : `${names.join(", ")}, or a number of ${width}`;
}
