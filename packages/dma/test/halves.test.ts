import fc from "fast-check";
import { expect, it } from "vitest";
import { HalvesCounter } from "../src/halves.js";

it("given any number and any steps, counting in halves is counting", () => {
  const step = fc.oneof(fc.maxSafeNat(), fc.nat({ max: 2 ** 32 }));
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 1n << 57n }),
      fc.array(step, { maxLength: 20 }),
      (address, steps) => {
        const counter = new HalvesCounter(address);
        let expected = address;
        for (const bytes of steps) {
          counter.add(new HalvesCounter(BigInt(bytes)));
          expected += BigInt(bytes);
          expect((BigInt(counter.high) << 32n) | BigInt(counter.low)).toBe(expected);
        }
      },
    ),
    { numRuns: 1000 },
  );
});
