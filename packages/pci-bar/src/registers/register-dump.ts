import { isVfioError, type RegisterWidth } from "@vfio/ioctl-native";
import { argumentError } from "@vfio/ioctl-native/internal";
import { rawRegister, type RegisterRegion } from "./raw-register.js";
import { whole, type AnyFieldValue } from "./register-field.js";
import type { RegisterLayout } from "./register-layout.js";
import type { RegisterPlan } from "./register-plan.js";

/** Options of {@link RegisterTable.dump}. */
export interface DumpOptions {
  /** Also read the registers that reading clears. Default false. */
  readonly readClearing?: boolean;
  /** The block's offset in the region, in bytes. Default 0. */
  readonly base?: number;
}

/** Why a dump did not read a register. */
export type SkipReason = "write only" | "reading clears it" | "not mapped" | "no 64-bit access";

/** One register of a dump. */
export interface DumpedRegister {
  /** With the index in an array: `doorbell[3]`. */
  readonly name: string;
  /** From the start of the region, in bytes. */
  readonly offset: number;
  /** In bits. */
  readonly width: RegisterWidth;
  /** 64 bits as a bigint; `undefined` if not read. */
  readonly raw: number | bigint | undefined;
  readonly fields: Readonly<Record<string, AnyFieldValue>>;
  readonly skipped?: SkipReason;
}

/** Errors of one register, and not of the region. */
const OUT_OF_REACH: ReadonlyMap<string, SkipReason> = new Map([
  ["ERR_VFIO_REGION_HOLE", "not mapped"],
  ["ERR_VFIO_REGISTER_WIDTH", "no 64-bit access"],
]);

/** Reads each register once, but none that cannot be read or that reading would clear. */
export function dumpRegisters(
  plans: readonly RegisterPlan[],
  region: RegisterRegion,
  { readClearing = false, base = 0 }: DumpOptions,
): DumpedRegister[] {
  return plans.flatMap((plan) => {
    const { width, access } = plan.layout;
    return elementsOf(plan.layout, base).map((place): DumpedRegister => {
      const entry = { ...place, width };
      if (access === "wo") return { ...entry, ...skip("write only") };
      if (access === "rc" && !readClearing) return { ...entry, ...skip("reading clears it") };
      return { ...entry, ...readOrSkip(plan, region, place.offset) };
    });
  });
}

export function elementsOf(
  { name, offset, count, stride }: RegisterLayout,
  base: number,
): { name: string; offset: number }[] {
  if (count === undefined) return [{ name, offset: base + offset }];
  return Array.from({ length: count }, (_, index) => ({
    name: `${name}[${index}]`,
    offset: base + offset + index * stride,
  }));
}

/** One line for each register. Throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything but a dump. */
export function formatDump(dump: readonly DumpedRegister[]): string {
  const isDump: boolean = Array.isArray(dump);
  if (!isDump) throw argumentError("the dump", "what dump() returned", dump);
  const longest = Math.max(0, ...dump.map(({ name }) => name.length));
  return dump.map((register) => `${formatRegister(register, longest)}\n`).join("");
}

type Reading = Pick<DumpedRegister, "raw" | "fields" | "skipped">;

function skip(skipped: SkipReason): Reading {
  return { raw: undefined, fields: {}, skipped };
}

function readOrSkip(plan: RegisterPlan, region: RegisterRegion, offset: number): Reading {
  try {
    return readDecoded(plan, region, offset);
  } catch (error) {
    const reason = isVfioError(error) ? OUT_OF_REACH.get(error.code) : undefined;
    if (reason === undefined) throw error;
    return skip(reason);
  }
}

function readDecoded({ layout, decoder }: RegisterPlan, region: RegisterRegion, offset: number): Reading {
  const halves = new Uint32Array(2);
  rawRegister(region, offset, layout.width).load(halves);
  const raw = layout.width === 64 ? whole(halves) : halves[0];
  return { raw, fields: decoder()(halves) };
}

function formatRegister(
  { name, offset, width, raw, fields, skipped }: DumpedRegister,
  longest: number,
): string {
  const place = `0x${offset.toString(16).padStart(4, "0")}  ${name.padEnd(longest)}`;
  if (raw === undefined) return `${place}  (${skipped ?? "not read"})`;
  const value = `0x${raw.toString(16).padStart(width / 4, "0")}`;
  const decoded = Object.entries(fields).map(([field, each]) => `${field}=${formatValue(each)}`);
  return [`${place}  ${value}`, ...decoded].join(" ").trimEnd();
}

function formatValue(value: AnyFieldValue): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  return typeof value === "string" ? value : `0x${value.toString(16)}`;
}
