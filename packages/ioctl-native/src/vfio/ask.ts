import { ioctl, type Ioctl, type IoctlContext } from "../kernel/ioctl.js";
import type { HasFd } from "../files/fd.js";
import type { Field, Struct, ValuesOf } from "../structs/struct.js";

/** What could not be done, for the error of a call that failed; called only then, with `-errno`. */
export type ContextOfErrno = (errno: number) => IoctlContext;

/** Asks an ioctl that answers in the struct it is given, and decodes the answer. */
export function ask<F extends Record<string, Field>>(
  file: HasFd,
  request: Ioctl<Struct<F>>,
  values: Partial<ValuesOf<F>>,
  context?: ContextOfErrno,
): ValuesOf<F> {
  const buffer = request.argument.encode(values);
  ioctl(file, request as unknown as Ioctl<Struct<Record<string, Field>>>, buffer, context);
  return request.argument.decode(buffer);
}
