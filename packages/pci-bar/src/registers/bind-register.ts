import { VfioRangeError } from "@vfio/ioctl-native";
import { rawRegister, type RawRegister, type RegisterRegion } from "./raw-register.js";
import { decoderOf, isReadable, placerOf, type AnyFieldValue } from "./register-field.js";
import type { FieldLayout, RegisterLayout } from "./register-layout.js";
import type { RegisterPlan } from "./register-plan.js";
import { bindWaits } from "./register-wait.js";
import { wordReader, wordWriter } from "./register-word.js";

type NamedValues = Readonly<Record<string, unknown>>;

/**
 * One register at one offset, with separate halves for decoding and for encoding: a getter of the values to write may
 * read the register.
 */
interface Place {
  readonly region: RegisterRegion;
  readonly offset: number;
  readonly raw: RawRegister;
  readonly latest: Uint32Array;
  readonly halves: Uint32Array;
}

/** The accessors of one register at one offset: those that its access allows. */
export function bindRegister(
  plan: RegisterPlan,
  region: RegisterRegion,
  name: string,
  offset: number,
): Readonly<Record<string, unknown>> {
  const { layout } = plan;
  const raw = rawRegister(region, offset, layout.width);
  const place: Place = { region, offset, raw, latest: new Uint32Array(2), halves: new Uint32Array(2) };
  const isRead = layout.access !== "wo";
  const isWritten = layout.access !== "ro" && layout.access !== "rc";
  const hasFields = layout.fields.length > 0;
  return {
    name,
    offset,
    ...(isRead && { readRaw: raw.readRaw, read: hasFields ? reader(plan, place) : raw.readRaw }),
    ...(isWritten && { writeRaw: raw.writeRaw, write: hasFields ? writer(plan, place) : raw.writeRaw }),
    ...(isRead && isWritten && hasFields && { modify: modifier(plan, place) }),
    ...(isRead && hasFields && bindWaits(plan, region, name, offset)),
    ...(hasFields && { fields: bindFields(plan, place, isRead, isRead && isWritten) }),
  };
}

function reader(plan: RegisterPlan, { region, offset, raw, latest }: Place) {
  const { width } = plan.layout;
  if (width === 32) return plan.readerMaker()(region.read32, offset);
  if (width === 16) return plan.readerMaker()(region.read16, offset);
  if (width === 8) return plan.readerMaker()(region.read8, offset);
  const decode = plan.decoder();
  return () => {
    raw.load(latest);
    return decode(latest);
  };
}

function writer(plan: RegisterPlan, { raw, halves }: Place) {
  return (values: NamedValues): void => {
    halves[0] = plan.base[0];
    halves[1] = plan.base[1];
    placeAll(plan, values, halves);
    raw.store(halves);
  };
}

function modifier(plan: RegisterPlan, { raw, halves }: Place) {
  return (changes: NamedValues): void => {
    raw.load(halves);
    keepRest(plan, halves);
    placeAll(plan, changes, halves);
    raw.store(halves);
  };
}

function keepRest({ keep, unread }: RegisterPlan, halves: Uint32Array): void {
  halves[0] = ((halves[0] ?? 0) & keep[0]) | unread[0];
  halves[1] = ((halves[1] ?? 0) & keep[1]) | unread[1];
}

function placeAll({ layout, place }: RegisterPlan, values: NamedValues, halves: Uint32Array) {
  if (!hasNames(values)) throw noFieldsError(layout, values);
  place(values, halves);
}

function bindFields(
  plan: RegisterPlan,
  place: Place,
  isRead: boolean,
  isModified: boolean,
): Record<string, object> {
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

function fieldReader({ layout }: RegisterPlan, field: FieldLayout, { region, offset, raw, latest }: Place) {
  if (isWord(layout, field)) return wordReader(field, region, offset);
  const decode = decoderOf(field);
  return (): AnyFieldValue => {
    raw.load(latest);
    return decode(latest);
  };
}

function fieldWriter(plan: RegisterPlan, field: FieldLayout, { region, offset, raw, halves }: Place) {
  if (isWord(plan.layout, field)) return wordWriter(field, region, offset, plan.keep[0], plan.unread[0]);
  const put = placerOf(field);
  return (value: unknown): void => {
    raw.load(halves);
    keepRest(plan, halves);
    put(value, halves);
    raw.store(halves);
  };
}

function isWord({ width }: RegisterLayout, { kind }: FieldLayout): boolean {
  return width === 32 && kind !== "wide";
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
