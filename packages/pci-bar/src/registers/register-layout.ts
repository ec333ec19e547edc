import { inspect } from "node:util";
import { VfioRangeError, type RegisterWidth } from "@vfio/ioctl-native";
import type {
  FieldAccess,
  FieldDeclaration,
  RegisterAccess,
  RegisterDeclaration,
  RegisterDeclarations,
} from "./register-declaration.js";

/** A declared field, checked, with all defaults filled in. */
export interface FieldLayout {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly kind: "flag" | "number" | "named" | "wide";
  readonly access: FieldAccess;
  readonly values: ReadonlyMap<number, string>;
  readonly text: string;
}

/** A declared register, checked, with all defaults filled in. */
export interface RegisterLayout {
  readonly name: string;
  /** Of the first register, in bytes. */
  readonly offset: number;
  /** In bits. */
  readonly width: RegisterWidth;
  readonly access: RegisterAccess;
  readonly reset: bigint | undefined;
  /** From the lowest bit on. */
  readonly fields: readonly FieldLayout[];
  readonly count: number | undefined;
  /** From one register to the next, in bytes. */
  readonly stride: number;
  readonly text: string;
}

const WIDTHS: readonly number[] = [8, 16, 32, 64];
const REGISTER_ACCESS: readonly string[] = ["rw", "ro", "wo", "w1c", "rc"];
const FIELD_ACCESS: Readonly<Record<RegisterAccess, readonly FieldAccess[]>> = {
  rw: ["rw", "ro", "wo", "w1c"],
  ro: ["ro"],
  wo: ["wo"],
  w1c: ["w1c", "ro"],
  rc: ["ro"],
};
const LONGEST_NUMBER = 53;
const REGISTER_KEYS = ["offset", "width", "access", "reset", "text", "fields", "count", "stride"];
const FIELD_KEYS = ["bit", "bits", "values", "wide", "access", "text"];

/**
 * Checks a declaration: a mistake is found before any register is touched.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_TABLE` that names register and field.
 */
export function layOut(declarations: RegisterDeclarations): RegisterLayout[] {
  demandObject(declarations, demandFor("the register table"));
  return Object.entries(declarations).map(([name, declaration]) => layOutRegister(name, declaration));
}

function layOutRegister(name: string, declaration: RegisterDeclaration): RegisterLayout {
  const demand = demandFor(`register ${name}`);
  demandKnown(declaration, REGISTER_KEYS, demand);
  const { offset, width = 32, access = "rw", reset, fields = {}, count, text = "" } = declaration;
  const { stride = width / 8 } = declaration;
  demandObject(fields, demandFor(`register ${name}, its fields`));
  demand(WIDTHS.includes(width), `its width must be 8, 16, 32 or 64, not ${String(width)}`);
  demand(REGISTER_ACCESS.includes(access), `its access must be ${REGISTER_ACCESS.join(", ")}`);
  const isAligned = (value: number): boolean => Number.isSafeInteger(value) && value % (width / 8) === 0;
  demand(isAligned(offset) && offset >= 0, `its offset must be a multiple of ${width / 8} from 0`);
  demand(count === undefined || (Number.isSafeInteger(count) && count > 0), "its count must be 1 or more");
  demand(isAligned(stride) && stride > 0, `its stride must be a multiple of ${width / 8} above 0`);
  const resetBits = reset === undefined ? undefined : resetOf(reset);
  demand(resetBits === undefined || isWithin(resetBits, width), `its reset value must have ${width} bits`);
  const laidOut = Object.entries(fields).map(([field, each]) =>
    layOutField(field, each, name, width, access),
  );
  laidOut.sort((a, b) => a.low - b.low);
  laidOut.slice(1).forEach((field, index) => {
    const former = laidOut[index];
    demand(
      former === undefined || former.high < field.low,
      `${former?.name ?? ""} and ${field.name} overlap`,
    );
  });
  return { name, offset, width, access, reset: resetBits, fields: laidOut, count, stride, text };
}

function layOutField(
  name: string,
  declaration: FieldDeclaration,
  register: string,
  width: number,
  registerAccess: RegisterAccess,
): FieldLayout {
  const demand = demandFor(`field ${name} of register ${register}`);
  demandKnown(declaration, FIELD_KEYS, demand);
  const [high, low] = bitsOf(declaration, demand);
  const isSpan = Number.isInteger(high) && Number.isInteger(low) && low >= 0 && high >= low && high < width;
  demand(isSpan, `its bits must be [high, low] within ${width} bits, not [${String(high)}, ${String(low)}]`);
  const allowed = FIELD_ACCESS[registerAccess];
  const access = declaration.access ?? (registerAccess === "rc" ? "ro" : registerAccess);
  demand(
    allowed.includes(access),
    `its access must be ${allowed.join(", ")} in a register that is ${registerAccess}`,
  );
  const kind = kindOf(declaration);
  const bits = high - low + 1;
  demand(kind === "wide" || bits <= LONGEST_NUMBER, `with ${bits} bits it must be declared wide: true`);
  const values = Object.entries(namesOf(declaration, demand));
  for (const [valueName, value] of values)
    demand(
      Number.isSafeInteger(value) && isWithin(BigInt(value), bits),
      `${valueName} does not fit ${bits} bits`,
    );
  const names = new Map(values.map(([valueName, value]) => [value, valueName]));
  demand(names.size === values.length, "two of its values are the same");
  return { name, high, low, kind, access, values: names, text: declaration.text ?? "" };
}

function bitsOf(declaration: AnyKeys, demand: Demand): readonly [high: number, low: number] {
  const { bit, bits, values, wide } = declaration;
  demand((bit === undefined) !== (bits === undefined), "it must have either bit or bits");
  if (bits === undefined) {
    demand(values === undefined && wide !== true, "one bit is true or false: it takes no values, nor wide");
    return [bit as number, bit as number];
  }
  demand(Array.isArray(bits) && bits.length === 2, `its bits must be [high, low], not ${textOf(bits)}`);
  return bits as [number, number];
}

function namesOf({ values = {}, wide }: AnyKeys, demand: Demand): Record<string, number> {
  demandObject(values, demand);
  demand(wide === undefined || typeof wide === "boolean", `wide must be true or false, not ${String(wide)}`);
  return values as Record<string, number>;
}

function kindOf({ bit, values, wide }: AnyKeys): FieldLayout["kind"] {
  if (bit !== undefined) return "flag";
  if (values !== undefined) return "named";
  return wide === true ? "wide" : "number";
}

function resetOf(value: number | bigint): bigint {
  return typeof value === "bigint" || Number.isSafeInteger(value) ? BigInt(value) : -1n;
}

function isWithin(value: bigint, bits: number): boolean {
  return BigInt.asUintN(bits, value) === value;
}

type Demand = (condition: boolean, problem: string) => void;

/** A field as JavaScript callers may give it. */
type AnyKeys = Readonly<Partial<Record<"bit" | "bits" | "values" | "wide", unknown>>>;

function demandObject(declaration: unknown, demand: Demand): void {
  const isObject = typeof declaration === "object" && declaration !== null && !Array.isArray(declaration);
  demand(isObject, `it must be an object, not ${textOf(declaration)}`);
}

function textOf(value: unknown): string {
  return inspect(value, { breakLength: Infinity });
}

/** A misspelled key would silently be a default. */
function demandKnown(declaration: object, known: readonly string[], demand: Demand): void {
  demandObject(declaration, demand);
  for (const key of Object.keys(declaration))
    demand(known.includes(key), `it has ${key}, and may have ${known.join(", ")}`);
}

function demandFor(thing: string): Demand {
  return (condition, problem) => {
    if (!condition) throw new VfioRangeError("ERR_VFIO_REGISTER_TABLE", `${thing}: ${problem}`);
  };
}
