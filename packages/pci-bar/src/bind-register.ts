import { VfioRangeError } from "@vfio/ioctl-native";
import { rawRegister, type RawRegister, type RegisterRegion } from "./raw-register.js";
import {
  decoderOf,
  half,
  isReadable,
  maskOf,
  noSuchFieldError,
  placerOf,
  type AnyFieldValue,
  type FieldPlacer,
} from "./register-field.js";
import type { FieldLayout, RegisterLayout } from "./register-layout.js";
import { bindWaits } from "./register-wait.js";
import { wordReader, wordWriter } from "./register-word.js";

type NamedValues = Readonly<Record<string, unknown>>;
type Halves = readonly [low: number, high: number];

/** What is written to the bits that are not named. */
interface Plan {
  readonly layout: RegisterLayout;
  /** What `write` begins with: the value after a reset, without the bits that ones clear. */
  readonly base: Halves;
  /** The bits that are written back as they were read: not those that ones clear, nor those that cannot be read. */
  readonly keep: Halves;
  /** What those that cannot be read are written back as: their value after a reset. */
  readonly unread: Halves;
  readonly placers: ReadonlyMap<string, FieldPlacer>;
}

/** One register at one offset, with the halves in which its value is taken apart and put together. */
interface Place {
  readonly region: RegisterRegion;
  readonly offset: number;
  readonly raw: RawRegister;
  readonly halves: Uint32Array;
}

/** The accessors of one register at one offset: only those that its access allows. */
export function bindRegister(
  layout: RegisterLayout,
  region: RegisterRegion,
  name: string,
  offset: number,
): Readonly<Record<string, unknown>> {
  const raw = rawRegister(region, offset, layout.width);
  const place: Place = { region, offset, raw, halves: new Uint32Array(2) };
  const plan = planOf(layout);
  const isRead = layout.access !== "wo";
  const isWritten = layout.access !== "ro" && layout.access !== "rc";
  const hasFields = layout.fields.length > 0;
  return {
    name,
    offset,
    ...(isRead && { readRaw: raw.readRaw, read: hasFields ? reader(layout, place) : raw.readRaw }),
    ...(isWritten && { writeRaw: raw.writeRaw, write: hasFields ? writer(plan, place) : raw.writeRaw }),
    ...(isRead && isWritten && hasFields && { modify: modifier(plan, place) }),
    ...(isRead && hasFields && bindWaits(layout, region, name, offset)),
    ...(hasFields && { fields: bindFields(plan, place, isRead, isRead && isWritten) }),
  };
}

function planOf(layout: RegisterLayout): Plan {
  const { fields, access, reset = 0n } = layout;
  const masked = (those: FieldLayout["access"]): bigint =>
    fields.filter((field) => field.access === those).reduce((mask, field) => mask | maskOf(field), 0n);
  const cleared = access === "w1c" ? ~0n : masked("w1c");
  const unread = masked("wo");
  const split = (bits: bigint): Halves => [half(bits, 0), half(bits, 1)];
  const writable = fields.filter((field) => field.access !== "ro");
  return {
    layout,
    base: split(reset & ~cleared),
    keep: split(~cleared & ~unread),
    unread: split(reset & unread),
    placers: new Map(writable.map((field) => [field.name, placerOf(field)])),
  };
}

function reader({ fields }: RegisterLayout, { raw, halves }: Place) {
  const decoders = fields.filter(isReadable).map((field) => ({ name: field.name, decode: decoderOf(field) }));
  return () => {
    raw.load(halves);
    const values: Record<string, AnyFieldValue> = {};
    for (const { name, decode } of decoders) values[name] = decode(halves);
    return values;
  };
}

function writer(plan: Plan, { raw, halves }: Place) {
  return (values: NamedValues): void => {
    halves[0] = plan.base[0];
    halves[1] = plan.base[1];
    placeAll(plan, values, halves);
    raw.store(halves);
  };
}

function modifier(plan: Plan, { raw, halves }: Place) {
  return (changes: NamedValues): void => {
    raw.load(halves);
    keepRest(plan, halves);
    placeAll(plan, changes, halves);
    raw.store(halves);
  };
}

function keepRest({ keep, unread }: Plan, halves: Uint32Array): void {
  halves[0] = ((halves[0] ?? 0) & keep[0]) | unread[0];
  halves[1] = ((halves[1] ?? 0) & keep[1]) | unread[1];
}

/** `for in` makes no list of the names, as `Object.entries` would for every access. */
function placeAll({ layout, placers }: Plan, values: NamedValues, halves: Uint32Array) {
  if (!hasNames(values)) throw noFieldsError(layout, values);
  for (const name in values) {
    const place = placers.get(name);
    if (place === undefined) throw noSuchFieldError(layout, name, "written", [...placers.keys()]);
    place(values[name], halves);
  }
}

function bindFields(plan: Plan, place: Place, isRead: boolean, isModified: boolean): Record<string, object> {
  const accessors = plan.layout.fields.map((field) => {
    const canRead = isRead && isReadable(field);
    const canWrite = isModified && field.access !== "ro";
    return [
      field.name,
      {
        ...(canRead && { read: fieldReader(plan, field, place) }),
        ...(canWrite && { write: fieldWriter(plan, field, place) }),
      },
    ] as const;
  });
  return Object.fromEntries(accessors);
}

function fieldReader({ layout }: Plan, field: FieldLayout, { region, offset, raw, halves }: Place) {
  if (layout.width === 32) return wordReader(field, region, offset);
  const decode = decoderOf(field);
  return (): AnyFieldValue => {
    raw.load(halves);
    return decode(halves);
  };
}

function fieldWriter(plan: Plan, field: FieldLayout, { region, offset, raw, halves }: Place) {
  if (plan.layout.width === 32) return wordWriter(field, region, offset, plan.keep[0], plan.unread[0]);
  const put = placerOf(field);
  return (value: unknown): void => {
    raw.load(halves);
    keepRest(plan, halves);
    put(value, halves);
    raw.store(halves);
  };
}

function hasNames(values: unknown): boolean {
  return typeof values === "object" && values !== null;
}

function noFieldsError({ name }: RegisterLayout, values: unknown): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_FIELD",
    `the register ${name} is written by an object with its fields, not ${String(values)}`,
  );
}
