import type { RegisterWidth } from "@vfio/ioctl-native";
import type { PollOptions, PollSyncOptions } from "../regions/poll-mask.js";

/** Read and write; read only; write only; read, and write ones to clear; or read, which clears. */
export type RegisterAccess = "rw" | "ro" | "wo" | "w1c" | "rc";

/** As {@link RegisterAccess}, for a field. */
export type FieldAccess = "rw" | "ro" | "wo" | "w1c";

/** Properties of every field. */
export interface AnyField {
  /** Default: as the register. */
  readonly access?: FieldAccess;
  /** For the documentation. */
  readonly text?: string;
}

/** One bit: true or false. */
export interface FlagField extends AnyField {
  /** From 0. */
  readonly bit: number;
}

/** Several bits: a number of up to 53 bits. */
export interface NumberField extends AnyField {
  /** In the order of data sheets: `[31, 24]`. */
  readonly bits: readonly [high: number, low: number];
  readonly wide?: boolean;
}

/** Several bits whose values have names. */
export interface NamedField extends NumberField {
  /** A value without a name stays a number. */
  readonly values: Readonly<Record<string, number>>;
}

/** Several bits as a bigint: necessary from 54 bits on. */
export interface WideField extends NumberField {
  readonly wide: true;
}

/** A field of any kind. */
export type FieldDeclaration = FlagField | NumberField | NamedField | WideField;

/** A register, or an array of them. */
export interface RegisterDeclaration {
  /** Of the first, in bytes from the start of the region; a multiple of the width. */
  readonly offset: number;
  /** In bits. Default 32. */
  readonly width?: RegisterWidth;
  /** Default `"rw"`. */
  readonly access?: RegisterAccess;
  /** After a reset. Default 0. `write` gives it to fields that are not named. */
  readonly reset?: number | bigint;
  /** For the documentation. */
  readonly text?: string;
  /** Without fields the register is one value. */
  readonly fields?: Readonly<Record<string, FieldDeclaration>>;
  /** The number of registers: makes an array. */
  readonly count?: number;
  /** From one register to the next, in bytes. Default: the width. */
  readonly stride?: number;
}

/** A register block: registers by name. */
export type RegisterDeclarations = Readonly<Record<string, RegisterDeclaration>>;

/** A register of 64 bits. */
export interface WideRegister {
  readonly width: 64;
}

/** An array of registers. */
export interface RegisterArrayDeclaration {
  readonly count: number;
}

/** A register with fields. */
export interface RegisterWithFields {
  readonly fields: Readonly<Record<string, FieldDeclaration>>;
}

/** The JavaScript value of a whole register. */
export type RawValue<R> = R extends WideRegister ? bigint : number;

/** The JavaScript value of a field. */
export type FieldValue<F> = F extends FlagField
  ? boolean
  : F extends NamedField
    ? Extract<keyof F["values"], string> | number
    : F extends WideField
      ? bigint
      : number;

/** A declaration with an access. */
export interface DeclaresAccess<A> {
  readonly access: A;
}
/** `rw` by default. */
export type AccessOf<R> = R extends DeclaresAccess<infer A extends RegisterAccess> ? A : "rw";
/** A field's own access, or its register's. */
export type FieldAccessOf<F, R> = F extends DeclaresAccess<infer A extends FieldAccess> ? A : AccessOf<R>;
/** Access that allows reading. */
export type Readable = "rw" | "ro" | "w1c" | "rc";
/** Access that allows writing. */
export type Writable = "rw" | "wo" | "w1c";

/** The result of reading a register: its readable fields by name, or the value if it has no fields. */
export type ValuesRead<R> = R extends RegisterWithFields
  ? {
      readonly [
        K in keyof R["fields"] as FieldAccessOf<R["fields"][K], R> extends Readable ? K : never
      ]: FieldValue<R["fields"][K]>;
    }
  : RawValue<R>;

/** The input of writing a register: any of its writable fields by name, or the value if it has no fields. */
export type ValuesWritten<R> = R extends RegisterWithFields
  ? {
      readonly [
        K in keyof R["fields"] as FieldAccessOf<R["fields"][K], R> extends Writable ? K : never
      ]?: FieldValue<R["fields"][K]>;
    }
  : RawValue<R>;

/** A register's name and place. */
export interface RegisterPlace {
  /** As declared, with the index in an array: `doorbell[3]`. */
  readonly name: string;
  /** From the start of the region, in bytes. */
  readonly offset: number;
}

/** The reading half of a register. */
export interface Reading<R> {
  /**
   * Reads the register. Where a place in the program always reads the same register, V8 makes no object that nobody
   * keeps: `read().ready` costs about as much as `readRaw() & 1`. Where it reads several, such as those of an array,
   * the object is made.
   */
  read(): ValuesRead<R>;
  /**
   * Reads the register undecoded. Allocates nothing where V8 inlines it; elsewhere V8 takes 16 bytes for a number from
   * 2^31 on, and 64 bits are a bigint.
   */
  readRaw(): RawValue<R>;
}

/** The writing half of a register. */
export interface Writing<R> {
  /**
   * Writes the register. Fields not named get their reset value; those that ones clear get zeroes.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_FIELD` for a value that a field cannot hold.
   */
  write(values: ValuesWritten<R>): void;
  /** Writes the register unencoded. */
  writeRaw(value: RawValue<R>): void;
}

/** For a register that can be read and written. */
export interface Modifying<R> {
  /**
   * Reads the register, changes the named fields, and writes it back: two accesses, between which the device may change
   * it. Unless named, fields that ones clear get zeroes, and write-only fields their reset value.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_FIELD` for a value that a field cannot hold.
   */
  modify(changes: ValuesWritten<R>): void;
}

/** Limits of {@link Waiting.waitFor}. */
export type WaitForOptions = Omit<PollOptions, "width">;
/** Limits of {@link Waiting.waitForSync}. */
export type WaitForSyncOptions = Omit<PollSyncOptions, "width">;

/** For a readable register with fields. */
export interface Waiting<R> {
  /**
   * Waits until all named fields have these values, as `region.pollMask`: the event loop runs between looks of up to 50
   * µs. A device that has gone reads as all ones, and a flag as true.
   * @returns all fields.
   * @throws VfioError `ERR_VFIO_TIMEOUT` with the register, the fields and the last value; VfioRangeError
   * `ERR_VFIO_REGISTER_FIELD` for a value that a field cannot have, `ERR_VFIO_POLL_TARGET` if none is named; as
   * `pollMask`.
   */
  waitFor(wanted: Partial<ValuesRead<R>>, options?: WaitForOptions): Promise<ValuesRead<R>>;
  /** As {@link waitFor}, but blocks the thread. Default timeout: 10 ms. */
  waitForSync(wanted: Partial<ValuesRead<R>>, options?: WaitForSyncOptions): ValuesRead<R>;
}

/** The reading half of a field. */
export interface FieldReading<F> {
  /** Reads the register, and returns this field. Makes no object, and allocates nothing where V8 inlines it. */
  read(): FieldValue<F>;
}

/** The writing half of a field. */
export interface FieldWriting<F> {
  /** `modify` for one field: reads the register, and writes it back. */
  write(value: FieldValue<F>): void;
}

/** The accessors of one field: those that its access and its register's allow. */
export type FieldAccessor<F, R> = (FieldAccessOf<F, R> extends Readable ? FieldReading<F> : unknown) &
  (AccessOf<R> extends "rw" | "w1c"
    ? FieldAccessOf<F, R> extends Writable
      ? FieldWriting<F>
      : unknown
    : unknown);

/** For a register with fields. */
export interface WithFields<R, F> {
  readonly fields: { readonly [K in keyof F]: FieldAccessor<F[K], R> };
}

/** The accessors of one declared register: those that its access allows. */
export type BoundRegister<R> = RegisterPlace &
  (AccessOf<R> extends Readable ? Reading<R> : unknown) &
  (AccessOf<R> extends Writable ? Writing<R> : unknown) &
  (R extends RegisterWithFields
    ? WithFields<R, R["fields"]> &
        (AccessOf<R> extends Readable ? Waiting<R> : unknown) &
        (AccessOf<R> extends "rw" | "w1c" ? Modifying<R> : unknown)
    : unknown);

/** The accessors of an array of registers. */
export interface RegisterList<Register> extends Iterable<Register> {
  readonly count: number;
  /** @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` unless the index is from 0 to `count` - 1. */
  at(index: number): Register;
}

/** The accessors of a declared register block, by name. */
export type RegisterSet<D> = {
  readonly [K in keyof D]: D[K] extends RegisterArrayDeclaration
    ? RegisterList<BoundRegister<D[K]>>
    : BoundRegister<D[K]>;
};
