import type { RegisterWidth } from "@vfio/ioctl-native";
import type { PollOptions, PollSyncOptions } from "../regions/poll-mask.js";

/**
 * What may be done to a register: read and write; read only; write only; read, and write ones to clear; or read, which
 * clears it.
 */
export type RegisterAccess = "rw" | "ro" | "wo" | "w1c" | "rc";

/** What may be done to a field of a register. */
export type FieldAccess = "rw" | "ro" | "wo" | "w1c";

/** What every field may have. */
export interface AnyField {
  /** Default: as the register. */
  readonly access?: FieldAccess;
  /** What it is, for the documentation. */
  readonly text?: string;
}

/** One bit: true or false. */
export interface FlagField extends AnyField {
  /** Which, from 0. */
  readonly bit: number;
}

/** Several bits: a number, which may have up to 53 bits. */
export interface NumberField extends AnyField {
  /** The highest and the lowest bit, in the order of data sheets: `[31, 24]`. */
  readonly bits: readonly [high: number, low: number];
  /** Not a bigint. */
  readonly wide?: boolean;
}

/** Several bits whose values have names. */
export interface NamedField extends NumberField {
  /** Each name's value. A value without a name stays a number. */
  readonly values: Readonly<Record<string, number>>;
}

/** Several bits as a bigint: necessary from 54 bits on. */
export interface WideField extends NumberField {
  /** A bigint. */
  readonly wide: true;
}

/** A field of a register. */
export type FieldDeclaration = FlagField | NumberField | NamedField | WideField;

/** A register, or an array of them. */
export interface RegisterDeclaration {
  /** Of the first, in bytes from the start of the region; a multiple of the width. */
  readonly offset: number;
  /** In bits. Default 32. */
  readonly width?: RegisterWidth;
  /** Default `"rw"`. */
  readonly access?: RegisterAccess;
  /** The value after a reset. Default 0: that is what `write` gives to what is not named. */
  readonly reset?: number | bigint;
  /** What it is, for the documentation. */
  readonly text?: string;
  /** Its fields by name. Without fields it is one value. */
  readonly fields?: Readonly<Record<string, FieldDeclaration>>;
  /** How many of them there are: makes it an array. */
  readonly count?: number;
  /** From one to the next, in bytes. Default: the width. */
  readonly stride?: number;
}

/** A register block: registers by name. */
export type RegisterDeclarations = Readonly<Record<string, RegisterDeclaration>>;

/** A register of 64 bits. */
export interface WideRegister {
  /** In bits. */
  readonly width: 64;
}

/** A register that is an array of them. */
export interface RegisterArrayDeclaration {
  /** How many there are. */
  readonly count: number;
}

/** A register with fields. */
export interface RegisterWithFields {
  /** Its fields by name. */
  readonly fields: Readonly<Record<string, FieldDeclaration>>;
}

/** What a register's whole value is in JavaScript. */
export type RawValue<R> = R extends WideRegister ? bigint : number;

/** What a field's value is in JavaScript. */
export type FieldValue<F> = F extends FlagField
  ? boolean
  : F extends NamedField
    ? Extract<keyof F["values"], string> | number
    : F extends WideField
      ? bigint
      : number;

/** A declaration that says how something may be accessed. */
export interface DeclaresAccess<A> {
  /** The access. */
  readonly access: A;
}
/** A register's access, `rw` if it does not say. */
export type AccessOf<R> = R extends DeclaresAccess<infer A extends RegisterAccess> ? A : "rw";
/** A field's access: its own, or its register's. */
export type FieldAccessOf<F, R> = F extends DeclaresAccess<infer A extends FieldAccess> ? A : AccessOf<R>;
/** Access by which something can be read. */
export type Readable = "rw" | "ro" | "w1c" | "rc";
/** Access by which something can be written. */
export type Writable = "rw" | "wo" | "w1c";

/** What reading a register gives: its readable fields by name, or without fields the value. */
export type ValuesRead<R> = R extends RegisterWithFields
  ? {
      readonly [
        K in keyof R["fields"] as FieldAccessOf<R["fields"][K], R> extends Readable ? K : never
      ]: FieldValue<R["fields"][K]>;
    }
  : RawValue<R>;

/** What writing a register takes: any of its writable fields by name, or without fields the value. */
export type ValuesWritten<R> = R extends RegisterWithFields
  ? {
      readonly [
        K in keyof R["fields"] as FieldAccessOf<R["fields"][K], R> extends Writable ? K : never
      ]?: FieldValue<R["fields"][K]>;
    }
  : RawValue<R>;

/** Where a register is. */
export interface RegisterPlace {
  /** Its name in the declaration, with its index in an array: `doorbell[3]`. */
  readonly name: string;
  /** In bytes from the start of the region. */
  readonly offset: number;
}

/** The reading half of a register. */
export interface Reading<R> {
  /**
   * Reads it: the fields by name, or without fields the value. Where a place in the program always reads the same
   * register, V8 does not make an object that nobody keeps: `read().ready` costs about what `readRaw() & 1` does. Where
   * it reads several, such as those of an array in turn, the object is made.
   */
  read(): ValuesRead<R>;
  /**
   * Reads it as it is. Allocates nothing where V8 inlines it; elsewhere V8 takes 16 bytes for a number from 2^31 on that
   * one function hands to another, and 64 bits are a bigint.
   */
  readRaw(): RawValue<R>;
}

/** The writing half of a register. */
export interface Writing<R> {
  /**
   * Writes it. Fields that are not named get their value after a reset; those that ones clear get zeroes.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_FIELD` for what a field cannot hold.
   */
  write(values: ValuesWritten<R>): void;
  /** Writes it as it is. */
  writeRaw(value: RawValue<R>): void;
}

/** Of a register that can be read and written. */
export interface Modifying<R> {
  /**
   * Reads it, changes the fields that are named, and writes it back: two accesses, between which the device may change
   * it. Unless they are named, fields that ones clear are written as zeroes, and those that can only be written get
   * their value after a reset.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_FIELD` for what a field cannot hold.
   */
  modify(changes: ValuesWritten<R>): void;
}

/** How to wait for a register's fields. */
export type WaitForOptions = Omit<PollOptions, "width">;
/** How to wait for a register's fields in one go. */
export type WaitForSyncOptions = Omit<PollSyncOptions, "width">;

/** Of a register that can be read and has fields. */
export interface Waiting<R> {
  /**
   * Waits until all fields that are named have these values, as `region.pollMask` does: the event loop runs between
   * looks of up to 50 µs. Each look reads the register. A device that is gone reads as all ones, and a flag then as true.
   * @returns the fields as they were then.
   * @throws VfioError `ERR_VFIO_TIMEOUT` with the register, the fields and the last value; VfioRangeError
   * `ERR_VFIO_REGISTER_FIELD` for what a field cannot be, `ERR_VFIO_POLL_TARGET` if none is named; as `pollMask`.
   */
  waitFor(wanted: Partial<ValuesRead<R>>, options?: WaitForOptions): Promise<ValuesRead<R>>;
  /** As {@link waitFor}, but nothing else happens in this thread meanwhile. Default timeout: 10 ms. */
  waitForSync(wanted: Partial<ValuesRead<R>>, options?: WaitForSyncOptions): ValuesRead<R>;
}

/** The reading half of a field. */
export interface FieldReading<F> {
  /**
   * Reads the register: this field of it. Makes no object, wherever it is called, and allocates nothing where V8
   * inlines it.
   */
  read(): FieldValue<F>;
}

/** The writing half of a field. */
export interface FieldWriting<F> {
  /** Reads the register, and writes it back with this field changed: `modify` for one field. */
  write(value: FieldValue<F>): void;
}

/** The accessors of one field: only those that its access and its register's allow. */
export type FieldAccessor<F, R> = (FieldAccessOf<F, R> extends Readable ? FieldReading<F> : unknown) &
  (AccessOf<R> extends "rw" | "w1c"
    ? FieldAccessOf<F, R> extends Writable
      ? FieldWriting<F>
      : unknown
    : unknown);

/** Of a register that has fields. */
export interface WithFields<R, F> {
  /** Its fields, one by one. */
  readonly fields: { readonly [K in keyof F]: FieldAccessor<F[K], R> };
}

/** The accessors of one declared register: only those that its access allows. */
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
  /** How many there are. */
  readonly count: number;
  /** @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` for an index that is not from 0 to `count` - 1. */
  at(index: number): Register;
}

/** The accessors of a declared register block, by name. */
export type RegisterSet<D> = {
  readonly [K in keyof D]: D[K] extends RegisterArrayDeclaration
    ? RegisterList<BoundRegister<D[K]>>
    : BoundRegister<D[K]>;
};
