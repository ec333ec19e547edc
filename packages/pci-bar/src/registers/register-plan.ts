import { decoderOf, half, isReadable, maskOf, noSuchFieldError, placerOf } from "./register-field.js";
import type { FieldLayout, RegisterLayout } from "./register-layout.js";
import {
  unrolledDecoder,
  unrolledPlacer,
  unrolledReader,
  type FieldsDecoder,
  type FieldsPlacer,
  type ReaderMaker,
} from "./unrolled-fields.js";

type Halves = readonly [low: number, high: number];

/** How a register is decoded and encoded, at any offset, and what its other bits become. */
export interface RegisterPlan {
  readonly layout: RegisterLayout;
  /** The start value of `write`: the reset value, without the bits that ones clear. */
  readonly base: Halves;
  /** The bits written back as read: not those that ones clear, nor those that cannot be read. */
  readonly keep: Halves;
  /** The value for bits that cannot be read: their reset value. */
  readonly unread: Halves;
  /** Decodes the readable fields. Its code is compiled at the first call. */
  readonly decoder: () => FieldsDecoder;
  /** Makes readers, for a register of up to 32 bits. Its code is compiled at the first call. */
  readonly readerMaker: () => ReaderMaker;
  readonly place: FieldsPlacer;
}

export function planOf(layout: RegisterLayout): RegisterPlan {
  const { fields, access, reset = 0n } = layout;
  const masked = (those: FieldLayout["access"]): bigint =>
    fields.filter((field) => field.access === those).reduce((mask, field) => mask | maskOf(field), 0n);
  const cleared = access === "w1c" ? ~0n : masked("w1c");
  const unread = masked("wo");
  const split = (bits: bigint): Halves => [half(bits, 0), half(bits, 1)];
  const readable = fields.filter(isReadable);
  const decoders = readable.map((field) => [field.name, decoderOf(field)] as const);
  const writable = fields.filter((field) => field.access !== "ro");
  const placers = new Map(writable.map((field) => [field.name, placerOf(field)]));
  return {
    layout,
    base: split(reset & ~cleared),
    keep: split(~cleared & ~unread),
    unread: split(reset & unread),
    decoder: once(() => unrolledDecoder(new Map(decoders))),
    readerMaker: once(() => unrolledReader(readable)),
    place: unrolledPlacer(placers, (name) => {
      throw noSuchFieldError(layout, name, "written", [...placers.keys()]);
    }),
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
