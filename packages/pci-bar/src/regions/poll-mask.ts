import { VfioError, VfioRangeError, type BulkAccess, type RegisterWidth } from "@vfio/ioctl-native";
import { checkWaitLimits, hasBits } from "@vfio/ioctl-native/internal";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

/** How long one look at the register may block the event loop. */
const SLICE_MICROSECONDS = 50;
const LONGEST_MICROSECONDS = 2 ** 40;

/** A register, the bits to look at, and their wanted values. Bigints mean 64 bits. */
export interface PollTarget {
  readonly region: string;
  readonly offset: number;
  readonly width: RegisterWidth;
  readonly mask: number | bigint;
  readonly wanted: number | bigint;
}

/** Limits of polling that blocks the thread. */
export interface PollSyncOptions {
  /** Of the register, in bits. Default 32. */
  readonly width?: 8 | 16 | 32 | undefined;
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0. */
  readonly timeoutMs?: number | undefined;
}

/** Limits of polling that leaves the event loop free. */
export interface PollOptions extends PollSyncOptions {
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0; Infinity for no limit. Default 1000. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Between two looks of 50 µs each. Default 1. With 0, one look in every turn of the event loop. */
  readonly intervalMs?: number | undefined;
}

/** Looks at a register until its bits are as wanted; the event loop runs between looks. */
export async function pollMask(
  bulk: BulkAccess,
  target: PollTarget,
  options: PollOptions,
): Promise<number | bigint> {
  const { timeoutMs = 1000, signal, intervalMs = 1 } = options;
  checkWaitLimits({ timeoutMs: intervalMs });
  const end = performance.now() + timeoutMs;
  for (;;) {
    checkWaitLimits({ signal, timeoutMs });
    const last = look(bulk, target, SLICE_MICROSECONDS);
    if (hasBits(last, target.mask, target.wanted)) return last;
    const left = end - performance.now();
    if (left <= 0) throw timeoutError(last, target, timeoutMs);
    await pause(Math.min(intervalMs, left), signal);
  }
}

export function pollMaskSync(bulk: BulkAccess, target: PollTarget, timeoutMs = 10): number | bigint {
  checkWaitLimits({ timeoutMs });
  const last = look(bulk, target, Math.min(Math.ceil(timeoutMs * 1000), LONGEST_MICROSECONDS));
  if (hasBits(last, target.mask, target.wanted)) return last;
  throw timeoutError(last, target, timeoutMs);
}

function look(
  bulk: BulkAccess,
  { offset, width, mask, wanted }: PollTarget,
  microseconds: number,
): number | bigint {
  if (width === 64) return bulk.poll(offset, width, BigInt(mask), BigInt(wanted), microseconds);
  return bulk.poll(offset, width, Number(mask), Number(wanted), microseconds);
}

/** An abort ends the pause; the caller checks the signal next. */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds === 0) return nextTurn();
  await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}

/**
 * Checks mask and value. JavaScript's bit operators give signed numbers, so -1 is accepted for all bits.
 * @throws VfioRangeError `ERR_VFIO_POLL_TARGET`.
 */
export function pollTarget(
  region: string,
  offset: number,
  mask: number | bigint,
  value: number | bigint,
  bits: 8 | 16 | 32 = 32,
): PollTarget {
  if (![8, 16, 32].includes(bits))
    throw targetError(`registers have 8, 16, 32 or 64 bits, not ${String(bits)}`);
  const width: RegisterWidth = typeof mask === "bigint" ? 64 : bits;
  const target = { region, offset, width, mask: pattern(mask, width), wanted: pattern(value, width) };
  if ((BigInt(target.wanted) & ~BigInt(target.mask)) === 0n) return target;
  throw targetError(`the value 0x${value.toString(16)} has bits outside its mask 0x${mask.toString(16)}`);
}

function pattern(value: unknown, width: RegisterWidth): number | bigint {
  if (width === 64 && typeof value === "bigint" && BigInt.asUintN(64, value) === value) return value;
  const isWhole = width !== 64 && typeof value === "number" && Number.isInteger(value);
  if (isWhole && value >= -(2 ** (width - 1)) && value < 2 ** width)
    return value < 0 ? value + 2 ** width : value;
  const kind = width === 64 ? "bigints of 64 bits" : `integers of ${width} bits`;
  throw targetError(`mask and value must be ${kind}, not ${String(value)}`);
}

function targetError(problem: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_POLL_TARGET", `cannot wait for this: ${problem}`);
}

function timeoutError(last: number | bigint, target: PollTarget, timeoutMs: number): VfioError {
  const { region, offset, mask, wanted } = target;
  const [at, bits, want, is] = [offset, mask, wanted, last].map((value) => `0x${value.toString(16)}`);
  return new VfioError(
    "ERR_VFIO_TIMEOUT",
    `the register at ${at ?? ""} of ${region} did not become ${want ?? ""} under the mask ${bits ?? ""} within ${timeoutMs} ms: it is ${is ?? ""}`,
  );
}
