import fc from "fast-check";
import { expect, it } from "vitest";
import { bigIntOf } from "../src/halves.js";

it("given any whole number, bigIntOf is BigInt; and so for powers of two up to 2^63", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => bigIntOf(value) === BigInt(value)));
  for (let bits = 0; bits < 64; bits++) expect(bigIntOf(2 ** bits)).toBe(1n << BigInt(bits));
});
