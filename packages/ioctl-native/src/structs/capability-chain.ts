import { shownValue } from "../errors/argument-error.js";
import { VfioError } from "../errors/errors.js";
import type { Field, Struct, ValuesOf } from "./struct.js";
import { vfio_info_cap_header } from "../vfio/structs.js";

/** One capability of an info answer. */
export interface InfoCapability {
  /** `VFIO_…_CAP_…`, a number space of its own for each ioctl. */
  readonly id: number;
  readonly version: number;
  /** Of its header in the answer. */
  readonly offset: number;
}

/**
 * Walks the capability chain of an info answer (`struct vfio_info_cap_header`): offsets count from the answer's start,
 * 0 ends the chain.
 * @throws VfioError `ERR_VFIO_BAD_CAPABILITY_CHAIN` if the chain leaves the answer or bites its own tail.
 */
export function walkCapabilities(answer: Uint8Array, first: number): InfoCapability[] {
  const found: InfoCapability[] = [];
  const seen = new Set<number>();
  for (let offset = first; offset !== 0;) {
    if (!(Number.isInteger(offset) && offset >= 0 && offset + vfio_info_cap_header.bytes <= answer.length))
      throw badChain(`leaves the answer at offset ${shownValue(offset)}`);
    if (seen.has(offset)) throw badChain(`comes back to offset ${offset}`);
    seen.add(offset);
    const { id, version, next } = vfio_info_cap_header.decode(answer, offset);
    found.push({ id, version, offset });
    offset = next;
  }
  return found;
}

/** Throws unless `count` elements of `bytes` each, from `offset` on, lie within the answer. */
export function checkArray(answer: Uint8Array, offset: number, count: number, bytes: number): void {
  if (!(offset + count * bytes <= answer.length))
    throw badChain(`claims ${count} elements and has room for fewer`);
}

/**
 * The array that a capability consists of.
 * @param offset of the capability, whose header has the number of elements in its field `count`.
 */
export function decodeArray<C extends string, E extends Record<string, Field>>(
  answer: Uint8Array,
  offset: number,
  header: Struct<Record<C, Field>>,
  count: C,
  element: Struct<E>,
): ValuesOf<E>[] {
  checkArray(answer, offset, 1, header.bytes);
  const length = Number(header.read(answer, count, offset));
  const first = offset + header.bytes;
  checkArray(answer, first, length, element.bytes);
  return Array.from({ length }, (_, index) => element.decode(answer, first + index * element.bytes));
}

function badChain(problem: string): VfioError {
  return new VfioError("ERR_VFIO_BAD_CAPABILITY_CHAIN", `the kernel's capability chain ${problem}`);
}
