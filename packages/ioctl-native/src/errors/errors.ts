import { constants } from "node:os";
import { getSystemErrorMap, types } from "node:util";

const BRAND = Symbol.for("@vfio/error");

/**
 * What to do about a failure, in one or two sentences; or a function that finds out. If that fails too (EMFILE, EACCES,
 * a process that has gone), the error has no hint.
 */
export type Hint = string | (() => string | undefined) | undefined;

/** What every error of this library has beside its message. */
export interface ErrorOptionsWithHint {
  /** What to do about the failure; also the end of the message. */
  readonly hint?: Hint;
  readonly cause?: unknown;
}

/**
 * A failure of more than a system call: a group that is not viable, memory that is still in use, a resource used after
 * its close. `code` is stable (`ERR_VFIO_…`) and listed on the error page of the documentation.
 */
export class VfioError extends Error {
  /** `ERR_VFIO_…`, or an errno's name for a {@link VfioSystemError}. Stable: programs may compare it. */
  readonly code: string;
  /** What to do about the failure; also the end of the message. */
  declare readonly hint: string | undefined;

  constructor(code: string, message: string, options: ErrorOptionsWithHint = {}) {
    const hint = textOf(options.hint);
    super(withHint(message, hint), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    if (hint !== undefined) this.hint = hint;
    brand(this);
  }
}

/** An argument out of range, found before the kernel saw it. */
export class VfioRangeError extends RangeError {
  /** `ERR_VFIO_…`. Stable: programs may compare it. */
  readonly code: string;
  /** What to do about the failure; also the end of the message. */
  declare readonly hint: string | undefined;

  constructor(code: string, message: string, options: ErrorOptionsWithHint = {}) {
    const hint = textOf(options.hint);
    super(withHint(message, hint));
    this.name = "VfioRangeError";
    this.code = code;
    if (hint !== undefined) this.hint = hint;
    brand(this);
  }
}

/** Several failures of one call that does all it can, whatever fails on the way. */
export class VfioAggregateError extends AggregateError {
  readonly code = "ERR_VFIO_SEVERAL";
  /** What to do about the failures; also the end of the message. */
  declare readonly hint: string | undefined;

  constructor(errors: readonly unknown[], problem: string) {
    const first = errors.slice(0, NAMED_FAILURES).map(messageOf);
    const more = errors.length - first.length;
    super(errors, `${problem}: ${first.join("; ")}${more > 0 ? `; and ${more} more` : ""}`);
    this.name = "VfioAggregateError";
    brand(this);
  }
}

/** The message quotes only these many failures; `errors` has all. */
const NAMED_FAILURES = 3;

/** What a failed system call was about. */
export interface SystemCallContext extends ErrorOptionsWithHint {
  /** As in Node's own errors: `open`, `ioctl`, `mmap`, … */
  readonly syscall: string;
  /** What failed, naming the thing: "cannot open IOMMU group 5". */
  readonly what: string;
  readonly ioctl?: string;
  readonly path?: string;
}

/** A failed system call, in the shape of Node's own system errors: `code: "EBUSY"`, `errno: -16`, `syscall`. */
export class VfioSystemError extends VfioError {
  /** Negative, as in Node's system errors. */
  readonly errno: number;
  /** As in Node's own errors: `open`, `ioctl`, `mmap`, … */
  readonly syscall: string;
  declare readonly ioctl: string | undefined;
  declare readonly path: string | undefined;

  constructor(errno: number, context: SystemCallContext) {
    const [code, text] = describeErrno(errno);
    const call = context.ioctl === undefined ? context.syscall : `${context.syscall} ${context.ioctl}`;
    super(code, `${context.what}: ${code}, ${text} (${call})`, context);
    this.errno = errno;
    this.syscall = context.syscall;
    if (context.ioctl !== undefined) this.ioctl = context.ioctl;
    if (context.path !== undefined) this.path = context.path;
  }
}

/**
 * True for every error this library makes, whichever copy of the library made it.
 * @example
 * ```ts
 * import { isVfioError, openFile } from "@vfio/ioctl-native";
 *
 * try {
 *   openFile("/dev/vfio/no-such-group");
 * } catch (error) {
 *   if (!isVfioError(error)) throw error;
 *   console.log(error.code); // ENOENT
 * }
 * ```
 */
export function isVfioError(error: unknown): error is VfioError | VfioRangeError {
  return typeof error === "object" && error !== null && BRAND in error;
}

/**
 * True for a failed system call with one of these errnos (with any, if none is named), whichever copy of the library
 * made the error.
 * @example
 * ```ts
 * import { hasErrno, openFile } from "@vfio/ioctl-native";
 *
 * try {
 *   openFile("/dev/vfio/no-such-group");
 * } catch (error) {
 *   console.log(hasErrno(error, "ENOENT", "ENODEV")); // true
 * }
 * ```
 */
export function hasErrno(error: unknown, ...names: ErrnoName[]): error is VfioSystemError {
  if (!isVfioError(error) || !("errno" in error) || typeof error.errno !== "number") return false;
  const { errno } = error;
  return names.length === 0 || names.some((name) => errnoOf(name) === errno);
}

/** True also for DOMExceptions and for errors of another realm (a vm context, a test runner's). */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** An error's message, or anything else that was thrown as text. Never throws. */
export function messageOf(thrown: unknown): string {
  try {
    return isError(thrown) ? thrown.message : String(thrown);
  } catch {
    return "something without a message";
  }
}

/**
 * Returns the result of a system call; throws {@link VfioSystemError} if it is `-errno`.
 * @param context what the call was about; called only if it failed, with `-errno`. If `context` throws, the error has
 * the errno alone.
 */
export function check(result: number, context: (errno: number) => SystemCallContext): number {
  if (result >= 0) return result;
  throw new VfioSystemError(
    result,
    contextOr(PLAIN_CONTEXT, () => context(result)),
  );
}

const PLAIN_CONTEXT: SystemCallContext = { syscall: "unknown", what: "a system call failed" };

/** The context of a failed call; the plain one if `context` throws. */
export function contextOr<T>(plain: T, context: () => T): T {
  try {
    return context();
  } catch {
    return plain;
  }
}

/** The name of an errno, as in `<errno.h>`. */
export type ErrnoName = keyof typeof constants.errno;

/** `-errno` for the name of an errno: `errnoOf("ENOENT")` is -2 on Linux. */
export function errnoOf(name: ErrnoName): number {
  return -constants.errno[name];
}

/** The negative errno of an error of Node's own `fs` calls; -EIO for anything else. */
export function errnoOfError(error: unknown): number {
  const { errno, code } = error as NodeJS.ErrnoException;
  if (typeof errno === "number") return errno;
  return code?.startsWith("ERR_INVALID_ARG") === true ? errnoOf("EINVAL") : errnoOf("EIO");
}

// Node makes a new map at each call, and these errors are common: each client that leaves early is an EPIPE.
let systemErrors: ReturnType<typeof getSystemErrorMap> | undefined;

function describeErrno(errno: number): [code: string, text: string] {
  systemErrors ??= getSystemErrorMap();
  return systemErrors.get(errno) ?? ERRNO_NOT_IN_LIBUV.get(errno) ?? [`errno ${-errno}`, "unknown error"];
}

/** libuv, the source of Node's names, lacks these; VFIO and the socket calls return them. */
const ERRNO_NOT_IN_LIBUV = new Map<number, [string, string]>([
  [-constants.errno.ENOMSG, ["ENOMSG", "no message of the wanted type"]],
  [-constants.errno.EIDRM, ["EIDRM", "identifier removed"]],
  [-constants.errno.ETIME, ["ETIME", "timer expired"]],
  [-74, ["EBADMSG", "bad message"]],
]);

function textOf(hint: Hint): string | undefined {
  return typeof hint === "function" ? contextOr(undefined, hint) : hint;
}

function withHint(message: string, hint: string | undefined): string {
  return hint === undefined ? message : `${message.replace(/\.$/, "")}. ${hint}`;
}

function brand(error: Error): void {
  Object.defineProperty(error, BRAND, { value: true });
}
