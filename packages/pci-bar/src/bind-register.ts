import { VfioRangeError } from "@vfio/ioctl-native";
import { rawRegister, type RawRegister, type RegisterRegion } from "./raw-register.js";
import { decoderOf, half, maskOf, placerOf, type AnyFieldValue, type FieldPlacer } from "./register-field.js";
import type { FieldLayout, RegisterLayout } from "./register-layout.js";

interface Plan {
  readonly layout: RegisterLayout;
  /** What `write` begins with: the value after a reset, without the bits that ones clear. */
  readonly base: readonly [low: number, high: number];
  /** The bits that `modify` keeps: those that ones clear, it must not write back. */
  readonly keep: readonly [low: number, high: number];
  readonly placers: ReadonlyMap<string, FieldPlacer>;
}

/** The accessors of one register at one offset: only those that its access allows. */
export function bindRegister(
  layout: RegisterLayout,
  region: RegisterRegion,
  name: string,
  offset: number,
): Readonly<Record<string, unknown>> {
  const raw = rawRegister(region, offset, layout.width);
  const plan = planOf(layout);
  const halves = new Uint32Array(2);
  const isRead = layout.access !== "wo";
  const isWritten = layout.access !== "ro" && layout.access !== "rc";
  const hasFields = layout.fields.length > 0;
  const modify = modifier(plan, raw, halves);
  return {
    name,
    offset,
    ...(isRead && { readRaw: raw.readRaw, read: hasFields ? reader(layout, raw, halves) : raw.readRaw }),
    ...(isWritten && { writeRaw: raw.writeRaw, write: hasFields ? writer(plan, raw, halves) : raw.writeRaw }),
    ...(isRead && isWritten && hasFields && { modify }),
    ...(hasFields && {
      fields: bindFields(layout, raw, halves, isRead, isRead && isWritten ? modify : undefined),
    }),
  };
}

/** The readable fields' values by name, from a register's halves. */
export function decodeFields(
  { fields }: RegisterLayout,
  low: number,
  high: number,
): Record<string, AnyFieldValue> {
  return Object.fromEntries(readable(fields).map((field) => [field.name, decoderOf(field)(low, high)]));
}

function planOf(layout: RegisterLayout): Plan {
  const { fields, access, reset = 0n } = layout;
  const clearing = fields
    .filter((field) => field.access === "w1c")
    .reduce((mask, field) => mask | maskOf(field), 0n);
  const cleared = access === "w1c" ? ~0n : clearing;
  const split = (bits: bigint): readonly [number, number] => [half(bits, 0), half(bits, 1)];
  const writable = fields.filter((field) => field.access !== "ro");
  return {
    layout,
    base: split(reset & ~cleared),
    keep: split(~cleared),
    placers: new Map(writable.map((field) => [field.name, placerOf(field)])),
  };
}

function readable(fields: readonly FieldLayout[]): FieldLayout[] {
  return fields.filter(({ access }) => access !== "wo");
}

function reader({ fields }: RegisterLayout, raw: RawRegister, halves: Uint32Array) {
  const decoders = readable(fields).map((field) => [field.name, decoderOf(field)] as const);
  return () => {
    raw.load(halves);
    const values: Record<string, AnyFieldValue> = {};
    for (const [name, decode] of decoders) values[name] = decode(halves[0] ?? 0, halves[1] ?? 0);
    return values;
  };
}

function writer(plan: Plan, raw: RawRegister, halves: Uint32Array) {
  return (values: object): void => {
    halves.set(plan.base);
    placeAll(plan, values, halves);
    raw.store(halves);
  };
}

function modifier(plan: Plan, raw: RawRegister, halves: Uint32Array) {
  const [lowKept, highKept] = plan.keep;
  return (changes: object): void => {
    raw.load(halves);
    halves[0] = (halves[0] ?? 0) & lowKept;
    halves[1] = (halves[1] ?? 0) & highKept;
    placeAll(plan, changes, halves);
    raw.store(halves);
  };
}

function placeAll({ layout, placers }: Plan, values: object, halves: Uint32Array): void {
  for (const [name, value] of Object.entries(values)) {
    const place = placers.get(name);
    if (place === undefined) throw noSuchFieldError(layout, name, [...placers.keys()]);
    place(value, halves);
  }
}

function bindFields(
  { fields }: RegisterLayout,
  raw: RawRegister,
  halves: Uint32Array,
  isRead: boolean,
  modify: ((changes: object) => void) | undefined,
): Record<string, object> {
  const accessors = fields.map((field) => {
    const decode = decoderOf(field);
    const read = (): AnyFieldValue => {
      raw.load(halves);
      return decode(halves[0] ?? 0, halves[1] ?? 0);
    };
    const write = (value: unknown): void => modify?.({ [field.name]: value });
    const canRead = isRead && field.access !== "wo";
    const canWrite = modify !== undefined && field.access !== "ro";
    return [field.name, { ...(canRead && { read }), ...(canWrite && { write }) }] as const;
  });
  return Object.fromEntries(accessors);
}

function noSuchFieldError({ name }: RegisterLayout, field: string, writable: string[]): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_FIELD",
    `the register ${name} has no field ${field} that can be written; it has ${writable.join(", ") || "none"}`,
  );
}
