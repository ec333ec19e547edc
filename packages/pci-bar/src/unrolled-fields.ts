import vm from "node:vm";
import type { AnyFieldValue, FieldDecoder, FieldPlacer } from "./register-field.js";

/*
 * Loops over a register's fields, written out as code of the register's own: one call for each field. V8 inlines a call
 * only where the same place in the program always calls the same function, and leaves out an object that nobody keeps
 * only where the same place always makes the same shape. In a loop that all registers share neither is so, and reading
 * four fields took six to seven times as long as the same by hand.
 */

/** Where stack traces and profiles place the compiled code. */
const CODE = { filename: "@vfio/pci-bar/unrolled-fields" };

/** Takes all fields out of a register's halves, by name. */
export type FieldsDecoder = (halves: Uint32Array) => Record<string, AnyFieldValue>;

/** Puts the fields that are named into a register's halves. */
export type FieldsPlacer = (values: Readonly<Record<string, unknown>>, halves: Uint32Array) => void;

/** One decoder of many. */
export function unrolledDecoder(decoders: ReadonlyMap<string, FieldDecoder>): FieldsDecoder {
  if (decoders.size === 0) return () => ({});
  const { names, parameters } = written(decoders);
  // Without the brackets it would be the object's prototype; with them, other names would cost more.
  const keys = names.map((name) => (name === '"__proto__"' ? `[${name}]` : name));
  const fields = keys.map((key, at) => `${key}: ${parameters[at]}(halves)`);
  const make = vm.compileFunction(`return (halves) => ({ ${fields.join(", ")} });`, parameters, CODE);
  return (make as (...calls: FieldDecoder[]) => FieldsDecoder)(...decoders.values());
}

/** One placer of many. For any other name it calls `refuse`, which throws. */
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
  // `for in` makes no list of the names, as `Object.entries` would for every access.
  const loop = `for (const name in values) switch (name) { ${cases.join(" ")} default: refuse(name); }`;
  const make = vm.compileFunction(`return (values, halves) => { ${loop} };`, ["refuse", ...parameters], CODE);
  return (make as (refuse: (name: string) => never, ...calls: FieldPlacer[]) => FieldsPlacer)(
    refuse,
    ...placers.values(),
  );
}

/** Names as the code's strings, and the names of the functions for them. */
function written(functions: ReadonlyMap<string, unknown>): { names: string[]; parameters: string[] } {
  const names = [...functions.keys()].map((name) => JSON.stringify(name));
  return { names, parameters: names.map((_, at) => `field${at}`) };
}
