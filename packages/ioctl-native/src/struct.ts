/** A field's type in the kernel's headers. */
export type FieldType = "u8" | "u16" | "u32" | "s32" | "u64";

/** One field: where it lies and what it is. */
export type Field = readonly [offset: number, type: FieldType];

type ValueOf<T extends FieldType> = T extends "u64" ? bigint : number;

/** The JavaScript values of a struct's fields. */
export type ValuesOf<F extends Record<string, Field>> = { -readonly [K in keyof F]: ValueOf<F[K][1]> };

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * A struct of the kernel's uAPI, declared as data: encoder, decoder and TypeScript type derive from the one table,
 * and a test holds every offset and size against the kernel's own header.
 */
export class Struct<F extends Record<string, Field>> {
  /**
   * @param name the struct's name in the kernel's header.
   * @param bytes its size, without a trailing flexible array.
   */
  constructor(
    readonly name: string,
    readonly bytes: number,
    readonly fields: F,
  ) {}

  /** A new buffer with the given fields set and all others zero. */
  encode(values: Partial<ValuesOf<F>> = {}, bytes: number = this.bytes): Uint8Array {
    const buffer = new Uint8Array(bytes);
    this.write(buffer, values);
    return buffer;
  }

  /** Sets the given fields in an existing buffer. */
  write(buffer: Uint8Array, values: Partial<ValuesOf<F>>, at = 0): void {
    const view = viewOf(buffer);
    for (const [name, value] of Object.entries(values) as [string, number | bigint][]) {
      const field = this.fields[name];
      if (field !== undefined) writeField(view, at + field[0], field[1], value);
    }
  }

  /** All fields, read at an offset of a buffer. Throws a RangeError if the struct does not fit. */
  decode(buffer: Uint8Array, at = 0): ValuesOf<F> {
    const view = viewOf(buffer);
    const entries = Object.entries(this.fields).map(([name, [offset, type]]) => [
      name,
      readField(view, at + offset, type),
    ]);
    return Object.fromEntries(entries) as ValuesOf<F>;
  }
}

function viewOf(buffer: Uint8Array): DataView {
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
