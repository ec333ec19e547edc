import vm from "node:vm";
import { half, maskOf, type AnyFieldValue, type FieldDecoder, type FieldPlacer } from "./register-field.js";
import type { FieldLayout } from "./register-layout.js";

/*
 * Loops over a register's fields, written out as code of the register's own: one call for each field. V8 inlines a call
 * only where the same place in the program always calls the same function, and leaves out an object that nobody keeps
 * only where the same place always makes the same shape. In a loop that all registers share neither is so, and reading
 * four fields took six to seven times as long as the same by hand.
 */

/** The compiled code's place in stack traces and profiles. */
const CODE = { filename: "@vfio/pci-bar/unrolled-fields" };

export type FieldsDecoder = (halves: Uint32Array) => Record<string, AnyFieldValue>;

/** Makes, for one place of a register, the function that reads it and decodes its fields. */
export type ReaderMaker = (
  load: (offset: number) => number,
  offset: number,
) => () => Record<string, AnyFieldValue>;

/** Writes the named fields into a register's halves. */
export type FieldsPlacer = (values: Readonly<Record<string, unknown>>, halves: Uint32Array) => void;

export function unrolledDecoder(decoders: ReadonlyMap<string, FieldDecoder>): FieldsDecoder {
  if (decoders.size === 0) return () => ({});
  const { names, parameters } = written(decoders);
  const fields = names.map((name, at) => `${keyOf(name)}: ${parameters[at]}(halves)`);
  const make = vm.compileFunction(`return (halves) => ({ ${fields.join(", ")} });`, parameters, CODE);
  return (make as (...calls: FieldDecoder[]) => FieldsDecoder)(...decoders.values());
}

/**
 * Makes the readers of a register of up to 32 bits, at all its places: V8 treats them as one function, and inlines it
 * also where one place in the program reads several of them, such as those of an array.
 */
export function unrolledReader(fields: readonly FieldLayout[]): ReaderMaker {
  const tables = new Map(fields.map((field) => [field.name, field.values]));
  const { names, parameters } = written(tables);
  const values = fields.map(
    (field, at) => `${keyOf(names[at] ?? "")}: ${fieldOf(field, parameters[at] ?? "")}`,
  );
  const reader = `() => { const bits = load(offset); return { ${values.join(", ")} }; }`;
  const make = vm.compileFunction(`return (load, offset) => ${reader};`, parameters, CODE);
  return (make as (...tables: FieldLayout["values"][]) => ReaderMaker)(...tables.values());
}

/** A field's value as an expression of the register's `bits`, and of the table of names of its values. */
function fieldOf(field: FieldLayout, table: string): string {
  // Signed, for bit operators.
  const masked = `(bits & ${half(maskOf(field), 0) | 0})`;
  if (field.kind === "flag") return `${masked} !== 0`;
  const number = `${masked} >>> ${field.low}`;
  if (field.kind === "wide") return `BigInt(${number})`;
  return field.kind === "named" ? `${table}.get(${number}) ?? ${number}` : number;
}

/** Brackets keep `__proto__` from being the object's prototype; around other names they would cost more. */
function keyOf(name: string): string {
  return name === '"__proto__"' ? `[${name}]` : name;
}

/** One placer of all fields. For any other name it calls `refuse`, which throws. */
export function unrolledPlacer(
  placers: ReadonlyMap<string, FieldPlacer>,
  refuse: (name: string) => never,
): FieldsPlacer {
  if (placers.size === 0)
    return (values) => {
      for (const name in values) refuse(name);
    };
  const { names, parameters } = written(placers);
  const cases = names.map((name, at) => `case ${name}: ${parameters[at]}(values[${name}], halves); break;`);
  // `for in` makes no list of names, as `Object.entries` would at every access.
  const loop = `for (const name in values) switch (name) { ${cases.join(" ")} default: refuse(name); }`;
  const make = vm.compileFunction(`return (values, halves) => { ${loop} };`, ["refuse", ...parameters], CODE);
  return (make as (refuse: (name: string) => never, ...calls: FieldPlacer[]) => FieldsPlacer)(
    refuse,
    ...placers.values(),
  );
}

/** The names as string literals, and the names of their functions. */
function written(functions: ReadonlyMap<string, unknown>): { names: string[]; parameters: string[] } {
  const names = [...functions.keys()].map((name) => JSON.stringify(name));
  return { names, parameters: names.map((_, at) => `field${at}`) };
}
