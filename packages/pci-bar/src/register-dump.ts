import type { RegisterWidth } from "@vfio/ioctl-native";
import { decodeFields } from "./bind-register.js";
import { rawRegister, type RegisterRegion } from "./raw-register.js";
import type { AnyFieldValue } from "./register-field.js";
import type { RegisterLayout } from "./register-layout.js";

/** How to dump a register block. */
export interface DumpOptions {
  /** Read also the registers that reading clears. Default false. */
  readonly readClearing?: boolean;
}

/** One register of a dump. */
export interface DumpedRegister {
  /** Its name, with its index in an array: `doorbell[3]`. */
  readonly name: string;
  /** In bytes from the start of the region. */
  readonly offset: number;
  /** In bits. */
  readonly width: RegisterWidth;
  /** Its value, 64 bits as a bigint; or `undefined` if it was not read. */
  readonly raw: number | bigint | undefined;
  /** Its readable fields. */
  readonly fields: Readonly<Record<string, AnyFieldValue>>;
  /** Why it was not read. */
  readonly skipped?: "write only" | "reading clears it";
}

/** Reads each register once, and none that cannot be read, or that reading would clear. */
export function dumpRegisters(
  layouts: readonly RegisterLayout[],
  region: RegisterRegion,
  { readClearing = false }: DumpOptions,
): DumpedRegister[] {
  return layouts.flatMap((layout) =>
    elementsOf(layout).map((place) => {
      const { width, access } = layout;
      const entry = { ...place, width };
      if (access === "wo") return { ...entry, raw: undefined, fields: {}, skipped: "write only" };
      if (access === "rc" && !readClearing)
        return { ...entry, raw: undefined, fields: {}, skipped: "reading clears it" };
      return { ...entry, ...readDecoded(layout, region, place.offset) };
    }),
  );
}

/** Where each register of a layout is: one, or all of an array. */
export function elementsOf({
  name,
  offset,
  count,
  stride,
}: RegisterLayout): { name: string; offset: number }[] {
  if (count === undefined) return [{ name, offset }];
  return Array.from({ length: count }, (_, index) => ({
    name: `${name}[${index}]`,
    offset: offset + index * stride,
  }));
}

/** A dump as text, a line for each register. */
export function formatDump(dump: readonly DumpedRegister[]): string {
  const longest = Math.max(0, ...dump.map(({ name }) => name.length));
  return dump.map((register) => `${formatRegister(register, longest)}\n`).join("");
}

function readDecoded(
  layout: RegisterLayout,
  region: RegisterRegion,
  offset: number,
): Pick<DumpedRegister, "raw" | "fields"> {
  const halves = new Uint32Array(2);
  rawRegister(region, offset, layout.width).load(halves);
  const [low = 0, high = 0] = halves;
  const raw = layout.width === 64 ? (BigInt(high) << 32n) | BigInt(low) : low;
  return { raw, fields: decodeFields(layout, low, high) };
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
