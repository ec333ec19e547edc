import { types } from "node:util";
import { argumentError, checkObject, shownValue } from "../errors/argument-error.js";
import { printAs } from "../errors/printed.js";
import { VfioRangeError } from "../errors/errors.js";

/** A field's type in the kernel's headers. */
export type FieldType = "u8" | "u16" | "u32" | "s32" | "u64";

/** A field's place and type. */
export type Field = readonly [offset: number, type: FieldType];

/** A bigint for 64 bits, otherwise a number. */
export type ValueOf<T extends FieldType> = T extends "u64" ? bigint : number;

/** The JavaScript values of a struct's fields. */
export type ValuesOf<F extends Record<string, Field>> = { -readonly [K in keyof F]: ValueOf<F[K][1]> };

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * A struct of the kernel's uAPI, declared as data: encoder, decoder and TypeScript type come from one table.
 * @example
 * ```ts
 * import { Struct } from "@vfio/ioctl-native";
 *
 * const range = new Struct("range", 16, { start: [0, "u64"], bytes: [8, "u32"] });
 * const encoded = range.encode({ start: 0x1000n, bytes: 4096 });
 * console.log(encoded.length, range.decode(encoded).start); // 16 4096n
 * ```
 */
export class Struct<F extends Record<string, Field>> {
  static {
    printAs<Struct<Record<string, Field>>>(Struct, (it) => ({ name: it.name, bytes: it.bytes }));
  }

  /** The field that tells the kernel how far it may read and write. */
  readonly lengthField: string | undefined;

  /**
   * @param name as in the kernel's header.
   * @param bytes the size without a trailing flexible array.
   * @param lengthField the field that tells the kernel how far it may read and write. VFIO calls it `argsz`, iommufd
   * `size`; a field of that name can also be another thing. Default: `argsz`, if there is one.
   */
  constructor(
    readonly name: string,
    readonly bytes: number,
    readonly fields: F,
    lengthField?: keyof F & string,
  ) {
    checkObject(`the fields of the struct ${shownValue(name)}`, fields);
    this.lengthField = lengthField ?? ("argsz" in fields ? "argsz" : undefined);
  }

  /**
   * A new buffer with the given fields set, the length field set to the buffer's size, and all others zero.
   * @param bytes the buffer's size, with room for what follows the struct; at least the struct's own.
   * @throws VfioRangeError `ERR_VFIO_STRUCT_VALUE`, `ERR_VFIO_STRUCT_BOUNDS`.
   */
  encode(values: Partial<ValuesOf<F>> = {}, bytes: number = this.bytes): Uint8Array {
    if (!Number.isSafeInteger(bytes) || bytes < this.bytes) throw boundsError(this, bytes, 0);
    const buffer = new Uint8Array(bytes);
    this.write(buffer, { ...this.#length(bytes), ...values });
    return buffer;
  }

  /**
   * Sets the given fields in an existing buffer.
   * @throws VfioRangeError `ERR_VFIO_STRUCT_VALUE` for a value that its field cannot hold, or an unknown field;
   * `ERR_VFIO_STRUCT_BOUNDS` if the struct does not fit.
   */
  write(buffer: Uint8Array, values: Partial<ValuesOf<F>>, at = 0): void {
    const view = viewOf(this, buffer, at);
    checkObject(`the values of a ${this.name}`, values);
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) continue;
      const [offset, type] = this.#field(name);
      if (!fits(value, type)) throw valueError(`${this.name}.${name}`, type, value);
      writeField(view, at + offset, type, value);
    }
  }

  /**
   * Reads one field: cheaper than {@link decode}.
   * @throws VfioRangeError `ERR_VFIO_STRUCT_BOUNDS` if the struct does not fit.
   */
  read<K extends keyof F & string>(buffer: Uint8Array, name: K, at = 0): ValueOf<F[K][1]> {
    const [offset, type] = this.#field(name);
    return readField(viewOf(this, buffer, at), at + offset, type) as ValueOf<F[K][1]>;
  }

  /** Reads all fields. @throws VfioRangeError `ERR_VFIO_STRUCT_BOUNDS` if the struct does not fit. */
  decode(buffer: Uint8Array, at = 0): ValuesOf<F> {
    const view = viewOf(this, buffer, at);
    const entries = Object.entries(this.fields).map(([name, [offset, type]]) => [
      name,
      readField(view, at + offset, type),
    ]);
    return Object.fromEntries(entries) as ValuesOf<F>;
  }

  #length(bytes: number): Partial<ValuesOf<F>> {
    if (this.lengthField === undefined) return {};
    const isWide = this.fields[this.lengthField]?.[1] === "u64";
    return { [this.lengthField]: isWide ? BigInt(bytes) : bytes } as Partial<ValuesOf<F>>;
  }

  #field(name: string): Field {
    const isOwn = typeof name === "string" && Object.hasOwn(this.fields, name);
    const field = isOwn ? this.fields[name] : undefined;
    if (field !== undefined) return field;
    throw new VfioRangeError(
      "ERR_VFIO_STRUCT_VALUE",
      `struct ${this.name} has no field ${typeof name === "string" ? name : shownValue(name)}`,
    );
  }
}

const RANGES: Record<FieldType, readonly [bigint, bigint]> = {
  u8: [0n, 2n ** 8n - 1n],
  u16: [0n, 2n ** 16n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  s32: [-(2n ** 31n), 2n ** 31n - 1n],
  u64: [0n, 2n ** 64n - 1n],
};

function fits(value: unknown, type: FieldType): value is number | bigint {
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  const [least, most] = RANGES[type];
  return isWhole && (value as number | bigint) >= least && (value as number | bigint) <= most;
}

function valueError(field: string, type: FieldType, value: unknown): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_STRUCT_VALUE",
    `${field} is a ${type} and cannot hold ${shownValue(value)}`,
  );
}

function boundsError(struct: { name: string; bytes: number }, room: number, at: number): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_STRUCT_BOUNDS",
    `struct ${struct.name} (${struct.bytes} bytes) does not fit into ${String(room)} bytes at offset ${shownValue(at)}`,
  );
}

function viewOf(struct: { name: string; bytes: number }, buffer: Uint8Array, at: number): DataView {
  if (!types.isUint8Array(buffer))
    throw argumentError(`what struct ${struct.name} lies in`, "a Uint8Array", buffer);
  if (!Number.isSafeInteger(at) || at < 0 || at + struct.bytes > buffer.length) {
    throw boundsError(struct, buffer.length, at);
  }
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function readField(view: DataView, offset: number, type: FieldType): number | bigint {
  switch (type) {
    case "u8":
      return view.getUint8(offset);
    case "u16":
      return view.getUint16(offset, LITTLE_ENDIAN);
    case "u32":
      return view.getUint32(offset, LITTLE_ENDIAN);
    case "s32":
      return view.getInt32(offset, LITTLE_ENDIAN);
    case "u64":
      return view.getBigUint64(offset, LITTLE_ENDIAN);
  }
}

function writeField(view: DataView, offset: number, type: FieldType, value: number | bigint): void {
  switch (type) {
    case "u8":
      return view.setUint8(offset, Number(value));
    case "u16":
      return view.setUint16(offset, Number(value), LITTLE_ENDIAN);
    case "u32":
      return view.setUint32(offset, Number(value), LITTLE_ENDIAN);
    case "s32":
      return view.setInt32(offset, Number(value), LITTLE_ENDIAN);
    case "u64":
      return view.setBigUint64(offset, BigInt(value), LITTLE_ENDIAN);
  }
}
