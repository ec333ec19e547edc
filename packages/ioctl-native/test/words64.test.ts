import fc from "fast-check";
import { expect, it } from "vitest";
import { bigIntOf } from "../src/internal.js";

it("given any number, bigIntOf is BigInt, and refuses what BigInt refuses", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => bigIntOf(value) === BigInt(value)));
  for (let bits = 0; bits < 66; bits++) expect(bigIntOf(2 ** bits)).toBe(1n << BigInt(bits));
  expect(bigIntOf(-4096)).toBe(-4096n);
  for (const value of [0.5, -0.5, NaN, Infinity]) expect(() => bigIntOf(value)).toThrow(RangeError);
});
