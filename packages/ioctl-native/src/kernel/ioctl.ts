import { types } from "node:util";
import { argumentError as wrongArgument, checkObject, fdOf } from "../errors/argument-error.js";
import { contextOr, VfioRangeError, VfioSystemError, type SystemCallContext } from "../errors/errors.js";
import type { HasFd } from "../files/fd.js";
import { kernel } from "./kernel.js";
import type { Field, Struct } from "../structs/struct.js";

/** The kind of an ioctl's third argument. */
export type IoctlArgument = "int" | "int pointer" | "string" | Struct<Record<string, Field>>;

/** An ioctl, declared once. */
export interface Ioctl<A extends IoctlArgument = IoctlArgument> {
  /** As in the kernel's header: errors carry it. */
  readonly name: string;
  readonly number: number;
  readonly argument: A;
}

/** The JavaScript value for an ioctl's argument. Structs are passed encoded, so that a loop can reuse one buffer. */
export type ValueOfArgument<A extends IoctlArgument> = A extends "int" | "int pointer"
  ? number
  : A extends "string"
    ? string
    : Uint8Array;

/**
 * Declares an ioctl as data; see `vfio/ioctls.ts` for VFIO's.
 * @example
 * ```ts
 * import { defineIoctl, ioctl, openFile, Struct } from "@vfio/ioctl-native";
 *
 * const count = new Struct("count", 4, { bits: [0, "s32"] });
 * const RNDGETENTCNT = defineIoctl("RNDGETENTCNT", 0x80045200, count);
 *
 * using random = openFile("/dev/urandom", { flags: 0 });
 * const answer = count.encode();
 * ioctl(random, RNDGETENTCNT, answer);
 * console.log(count.decode(answer).bits >= 0); // true
 * ```
 */
export function defineIoctl<A extends IoctlArgument>(name: string, number: number, argument: A): Ioctl<A> {
  return { name, number, argument };
}

/** For the error message of an ioctl. */
export type IoctlContext = Omit<SystemCallContext, "syscall" | "ioctl">;

/**
 * Performs a declared ioctl and returns its result (often 0, sometimes an fd).
 *
 * A struct needs at least its declared size. Its length field, which tells the kernel how far to write, must not exceed
 * the buffer: else the kernel would overwrite foreign memory.
 * @param context what failed; called only on failure, with `-errno`.
 * @throws VfioSystemError with `syscall: "ioctl"` and the ioctl's name; VfioRangeError `ERR_VFIO_IOCTL_ARGUMENT`.
 */
export function ioctl<A extends IoctlArgument>(
  file: HasFd,
  request: Ioctl<A>,
  value: ValueOfArgument<A>,
  context?: (errno: number) => IoctlContext,
): number {
  const result = tryIoctl(file, request, value);
  return result >= 0 ? result : checkIoctl(result, request, context);
}

/** As {@link ioctl}, but returns `-errno` instead of throwing: for calls that may be refused. */
export function tryIoctl<A extends IoctlArgument>(
  file: HasFd,
  request: Ioctl<A>,
  value: ValueOfArgument<A>,
): number {
  checkRequest(request);
  return kernel().ioctl(fdOf(file), request.number, encodeArgument(request, value));
}

/**
 * As {@link ioctl}, off the event loop: for calls that may wait in the kernel for seconds, such as a reset or the
 * mapping of much memory. The file may be closed meanwhile. A struct is read now and written when the promise settles.
 * A thread with such a call in progress ends only when the kernel is done.
 * @throws what {@link ioctl} throws, as a rejection.
 * @example
 * ```ts
 * import { defineIoctl, ioctlAsync, openFile, Struct } from "@vfio/ioctl-native";
 *
 * const count = new Struct("count", 4, { bits: [0, "s32"] });
 * const RNDGETENTCNT = defineIoctl("RNDGETENTCNT", 0x80045200, count);
 *
 * using random = openFile("/dev/urandom", { flags: 0 });
 * const answer = count.encode();
 * await ioctlAsync(random, RNDGETENTCNT, answer);
 * console.log(count.decode(answer).bits >= 0); // true
 * ```
 */
export async function ioctlAsync<A extends IoctlArgument>(
  file: HasFd,
  request: Ioctl<A>,
  value: ValueOfArgument<A>,
  context?: (errno: number) => IoctlContext,
): Promise<number> {
  checkRequest(request);
  const result = await kernel().ioctlAsync(fdOf(file), request.number, encodeArgument(request, value));
  return checkIoctl(result, request, context);
}

/**
 * Performs a declared ioctl on consecutive structs in a buffer, with one native call for all. Stops at the first
 * failure.
 * @param structs whole structs of the declared size, which is also the value of their length field, if any.
 * @param context what failed; called only if the first struct fails, with `-errno`.
 * @returns how many succeeded, at least 1. If fewer than all, the next one failed: {@link ioctl} with that struct tells
 * why.
 * @throws VfioSystemError if the first one fails; VfioRangeError `ERR_VFIO_IOCTL_ARGUMENT`.
 * @example
 * ```ts
 * import { defineIoctl, ioctlEach, openFile, Struct } from "@vfio/ioctl-native";
 *
 * const count = new Struct("count", 4, { bits: [0, "s32"] });
 * const RNDGETENTCNT = defineIoctl("RNDGETENTCNT", 0x80045200, count);
 *
 * using random = openFile("/dev/urandom", { flags: 0 });
 * console.log(ioctlEach(random, RNDGETENTCNT, new Uint8Array(3 * count.bytes))); // 3
 * ```
 */
export function ioctlEach(
  file: HasFd,
  request: Ioctl<Struct<Record<string, Field>>>,
  structs: Uint8Array,
  context?: (errno: number) => IoctlContext,
): number {
  checkRequest(request);
  const { bytes } = request.argument;
  checkStructs(request, structs);
  const done = kernel().ioctlEach(fdOf(file), request.number, structs, bytes);
  return checkIoctl(done, request, context);
}

function checkIoctl(
  result: number,
  { name }: Ioctl,
  context: ((errno: number) => IoctlContext) | undefined,
): number {
  if (result >= 0) return result;
  const plain = { what: `${name} failed` };
  const about = contextOr(plain, () => context?.(result) ?? plain);
  throw new VfioSystemError(result, { syscall: "ioctl", ioctl: name, ...about });
}

/**
 * Any ioctl with any argument, unchecked. A buffer that is too small lets the kernel corrupt this process's memory.
 * Prefer {@link ioctl} with an ioctl declared by {@link defineIoctl}.
 * @returns what the kernel returned, or `-errno`.
 */
export function unsafeIoctl(file: HasFd, request: number, argument: number | Uint8Array): number {
  checkObject("the file", file);
  return kernel().ioctl(file.fd, request, argument);
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything that defineIoctl() did not make. */
export function checkRequest(request: Ioctl): void {
  // JavaScript callers may pass anything.
  const { number, argument } = (request as Partial<Ioctl> | null | undefined) ?? {};
  if (typeof number === "number" && argument !== undefined) return;
  throw wrongArgument("the request", "an ioctl that defineIoctl() declared", request);
}

function encodeArgument<A extends IoctlArgument>(
  request: Ioctl<A>,
  value: ValueOfArgument<A>,
): number | Uint8Array {
  if (request.argument === "int") return intArgument(request, value);
  if (request.argument === "int pointer") {
    return new Uint8Array(new Int32Array([intArgument(request, value)]).buffer);
  }
  if (request.argument === "string") return stringArgument(request, value);
  return checkedStruct(request, request.argument, value);
}

function intArgument(request: Ioctl, value: unknown): number {
  if (typeof value === "number" && value === (value | 0)) return value;
  throw argumentError(request, `needs a 32-bit integer, not ${describe(value)}`);
}

function stringArgument(request: Ioctl, value: unknown): Uint8Array {
  if (typeof value === "string" && !value.includes("\0")) return new TextEncoder().encode(`${value}\0`);
  throw argumentError(request, `needs a string without NUL characters, not ${describe(value)}`);
}

function describe(value: unknown): string {
  return typeof value === "number" || typeof value === "string" ? JSON.stringify(value) : typeof value;
}

function checkStructs(request: Ioctl<Struct<Record<string, Field>>>, structs: Uint8Array): void {
  const struct = request.argument;
  if (!types.isUint8Array(structs) || structs.length === 0 || structs.length % struct.bytes !== 0) {
    throw argumentError(
      request,
      `needs one struct ${struct.name} or several as a Uint8Array, ${struct.bytes} bytes each`,
    );
  }
  checkUnshared(request, struct, structs);
  const { lengthField } = struct;
  if (lengthField === undefined) return;
  for (let at = 0; at < structs.length; at += struct.bytes) {
    const length = lengthAt(struct, lengthField, structs, at);
    if (length === struct.bytes) continue;
    throw argumentError(request, `has ${lengthField} ${length} instead of ${struct.bytes}`);
  }
}

/** The struct's length field. Making a DataView costs as much as reading some fifty words. */
function lengthAt(
  struct: Struct<Record<string, Field>>,
  field: string,
  bytes: Uint8Array,
  at: number,
): number {
  const [offset, type] = struct.fields[field] ?? [0, "u32"];
  return type === "u32" ? wordAt(bytes, at + offset) : Number(struct.read(bytes, field, at));
}

function wordAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  const high = (bytes[at + 2] ?? 0) | ((bytes[at + 3] ?? 0) << 8);
  return low + high * 2 ** 16;
}

/** Another thread could change the length between the check and the call. */
function checkUnshared(request: Ioctl, struct: { readonly name: string }, value: Uint8Array): void {
  if (value.buffer instanceof ArrayBuffer || !types.isSharedArrayBuffer(value.buffer)) return;
  throw argumentError(request, `cannot take struct ${struct.name} from a SharedArrayBuffer`);
}

function checkedStruct(request: Ioctl, struct: Struct<Record<string, Field>>, value: unknown): Uint8Array {
  if (!types.isUint8Array(value) || value.length < struct.bytes) {
    throw argumentError(
      request,
      `needs struct ${struct.name} as a Uint8Array of at least ${struct.bytes} bytes`,
    );
  }
  checkUnshared(request, struct, value);
  const { lengthField } = struct;
  if (lengthField === undefined) return value;
  const length = lengthAt(struct, lengthField, value, 0);
  if (length < struct.bytes || length > value.length) {
    throw argumentError(
      request,
      `has ${lengthField} ${length}, outside ${struct.bytes} to the buffer's ${value.length} bytes`,
    );
  }
  return value;
}

function argumentError(request: Ioctl, problem: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_IOCTL_ARGUMENT", `${request.name} ${problem}`);
}
