import { VfioError } from "../errors/errors.js";
import { checkRequest, ioctl, type Ioctl } from "../kernel/ioctl.js";
import type { Field, Struct, ValuesOf } from "../structs/struct.js";
import type { ContextOfErrno } from "./ask.js";

const LONGEST_ANSWER = 16 * 2 ** 20;

/**
 * Performs an info ioctl whose answer may have a capability chain behind the struct. The kernel writes the size it
 * needs into `argsz`; a second call has a buffer of that size.
 * @returns the whole answer, to be decoded with the ioctl's struct.
 * @throws VfioSystemError; VfioError `ERR_VFIO_BAD_ANSWER` if the answer keeps growing; VfioRangeError
 * `ERR_VFIO_ARGUMENT`.
 */
export function queryInfo<F extends Record<string, Field> & Record<"argsz", Field>>(
  file: { readonly fd: number },
  request: Ioctl<Struct<F>>,
  fields: Partial<ValuesOf<F>>,
  context: ContextOfErrno,
): Uint8Array {
  checkRequest(request);
  const struct = request.argument;
  const ask = (bytes: number): Uint8Array => {
    const buffer = struct.encode(fields, bytes);
    ioctl(file, request as unknown as Ioctl<Struct<Record<string, Field>>>, buffer, context);
    return buffer;
  };
  let answer = ask(struct.bytes);
  // The answer may grow between two calls: a group comes, and the IOVA ranges change.
  for (let tries = 0; tries < 8; tries++) {
    const needed = struct.decode(answer).argsz as number;
    if (needed <= answer.length) return answer;
    if (needed > LONGEST_ANSWER) throw endlessError(request.name, needed);
    answer = ask(needed);
  }
  throw endlessError(request.name, answer.length);
}

function endlessError(name: string, bytes: number): VfioError {
  return new VfioError(
    "ERR_VFIO_BAD_ANSWER",
    `the kernel's answer to ${name} has no end: ${bytes} bytes so far`,
  );
}
