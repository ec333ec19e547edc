import { ioctl, type Ioctl, type IoctlContext } from "../kernel/ioctl.js";
import type { HasFd } from "../files/fd.js";
import type { Field, Struct, ValuesOf } from "../structs/struct.js";

/** What failed, for the error; called only on failure, with `-errno`. */
export type ContextOfErrno = (errno: number) => IoctlContext;

/** Performs an ioctl that answers in its struct, and decodes the answer. */
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
