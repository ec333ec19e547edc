import { VfioRangeError } from "@vfio/ioctl-native";
import type { FieldLayout } from "./register-layout.js";

/** What any field's value may be. */
export type AnyFieldValue = boolean | number | bigint | string;

/** Gives a field's value from the two 32-bit halves of its register. */
export type FieldDecoder = (low: number, high: number) => AnyFieldValue;

/** The part of a 64-bit mask or value that lies in the lower (0) or upper (1) half, as a number from 0. */
export function half(value: bigint, which: 0 | 1): number {
  return Number(BigInt.asUintN(32, value >> BigInt(32 * which)));
}

/** The bits of a field, at their places in the register. */
export function maskOf({ high, low }: FieldLayout): bigint {
  return ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
}

/** A field's decoder, of which the common ones touch no bigint. */
export function decoderOf(field: FieldLayout): FieldDecoder {
  const number = numberDecoder(field);
  if (field.kind === "flag") return (low, high) => number(low, high) === 1;
  if (field.kind === "wide") return wideDecoder(field);
  if (field.kind === "number") return number;
  const { values } = field;
  return (low, high) => {
    const value = number(low, high);
    return values.get(value) ?? value;
  };
}

function numberDecoder(field: FieldLayout): (low: number, high: number) => number {
  const mask = maskOf(field);
  const [lowMask, highMask] = [half(mask, 0), half(mask, 1)];
  const shift = field.low;
  if (highMask === 0) return (low) => (low & lowMask) >>> shift;
  if (lowMask === 0) return (_, high) => (high & highMask) >>> (shift - 32);
  const scale = 2 ** (32 - shift);
  return (low, high) => ((low & lowMask) >>> shift) + ((high & highMask) >>> 0) * scale;
}

function wideDecoder(field: FieldLayout): (low: number, high: number) => bigint {
  const mask = maskOf(field);
  const shift = BigInt(field.low);
  return (low, high) => (((BigInt(high) << 32n) | BigInt(low)) & mask) >> shift;
}

/** Puts a value into its field, of a register's two halves. */
export type FieldPlacer = (value: unknown, halves: Uint32Array) => void;

/** A field's placer. It throws VfioRangeError `ERR_VFIO_REGISTER_FIELD` for what the field cannot hold. */
export function placerOf(field: FieldLayout): FieldPlacer {
  const [lowMask, highMask] = [half(maskOf(field), 0), half(maskOf(field), 1)];
  const split = field.kind === "wide" ? splitBigint(field) : splitNumber(field);
  return (value, halves) => {
    const [low, high] = split(value);
    halves[0] = ((halves[0] ?? 0) & ~lowMask) | low;
    halves[1] = ((halves[1] ?? 0) & ~highMask) | high;
  };
}

type Split = (value: unknown) => readonly [low: number, high: number];

function splitBigint(field: FieldLayout): Split {
  const bits = field.high - field.low + 1;
  return (value) => {
    if (typeof value !== "bigint" || BigInt.asUintN(bits, value) !== value) throw fieldError(field, value);
    const placed = value << BigInt(field.low);
    return [half(placed, 0), half(placed, 1)];
  };
}

function splitNumber(field: FieldLayout): Split {
  const shift = field.low;
  const limit = 2 ** (field.high - field.low + 1);
  const toNumber = numberOf(field);
  return (value) => {
    const number = toNumber(value);
    if (number === undefined || !Number.isInteger(number) || number < 0 || number >= limit)
      throw fieldError(field, value);
    if (shift >= 32) return [0, number << (shift - 32)];
    // Bit operators take a number modulo 2^32, which is the lower half; a division keeps the rest.
    return [number << shift, Math.floor(number / 2 ** (32 - shift)) | 0];
  };
}

function numberOf({ kind, values }: FieldLayout): (value: unknown) => number | undefined {
  if (kind === "flag") return (value) => (typeof value === "boolean" ? Number(value) : undefined);
  const byName = new Map([...values].map(([number, name]) => [name, number]));
  return (value) =>
    typeof value === "string" ? byName.get(value) : typeof value === "number" ? value : undefined;
}

function fieldError(field: FieldLayout, value: unknown): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_FIELD",
    `the field ${field.name} cannot be ${String(value)}: it takes ${expected(field)}`,
  );
}

function expected({ kind, high, low, values }: FieldLayout): string {
  if (kind === "flag") return "true or false";
  const width = `${high - low + 1} bits`;
  if (kind === "wide") return `a bigint of ${width}`;
  const names = [...values.values()];
  return names.length === 0 ? `a number of ${width}` : `${names.join(", ")}, or a number of ${width}`;
}
