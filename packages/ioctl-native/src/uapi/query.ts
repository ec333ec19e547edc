import { ioctl, type Ioctl, type IoctlContext } from "../ioctl.js";
import type { Field, Struct, ValuesOf } from "../struct.js";

/**
 * Asks an info ioctl whose answer may carry a capability chain behind the struct. The kernel writes the size it
 * would have needed into `argsz`; then it is asked once more with a buffer of that size.
 * @returns the whole answer's bytes; decode them with the ioctl's struct.
 */
export function queryInfo<F extends Record<string, Field> & { argsz: Field }>(
  file: { readonly fd: number },
  request: Ioctl<Struct<F>>,
  fields: Partial<ValuesOf<F>>,
  context: (errno: number) => IoctlContext,
): Uint8Array {
  const struct = request.argument;
  const ask = (bytes: number): Uint8Array => {
    const buffer = struct.encode({ ...fields, argsz: bytes }, bytes);
    ioctl(file, request as unknown as Ioctl<Struct<Record<string, Field>>>, buffer, context);
    return buffer;
  };
  const first = ask(struct.bytes);
  const needed = struct.decode(first).argsz as number;
  return needed > struct.bytes ? ask(needed) : first;
}
