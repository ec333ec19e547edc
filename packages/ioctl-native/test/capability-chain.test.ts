import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VfioError } from "../src/index.js";
import { vfioStructs, walkCapabilities } from "../src/vfio/index.js";
import { checkArray } from "../src/internal.js";
import { errorOf } from "./support/errors.js";

const { vfio_info_cap_header: header } = vfioStructs;

function answerWith(bytes: number, ...headers: [at: number, id: number, next: number][]): Uint8Array {
  const answer = new Uint8Array(bytes);
  for (const [at, id, next] of headers) header.write(answer, { id, version: 1, next }, at);
  return answer;
}

describe("a capability chain", () => {
  it("that is empty has no capabilities", () => {
    expect(walkCapabilities(new Uint8Array(24), 0)).toEqual([]);
  });

  it("is followed in its own order, forwards and backwards", () => {
    const answer = answerWith(64, [24, 1, 48], [48, 3, 32], [32, 2, 0]);
    expect(walkCapabilities(answer, 24)).toEqual([
      { id: 1, version: 1, offset: 24 },
      { id: 3, version: 1, offset: 48 },
      { id: 2, version: 1, offset: 32 },
    ]);
  });

  it("may end with a header that ends where the answer ends", () => {
    expect(walkCapabilities(answerWith(32, [24, 9, 0]), 24)).toHaveLength(1);
  });

  it.each([
    ["starts behind the answer", 25, answerWith(32)],
    ["starts at the largest offset there is", 0xffffffff, answerWith(32)],
    ["starts before the answer", -8, answerWith(32)],
    ["starts nowhere", NaN, answerWith(32)],
    ["leads out of the answer", 24, answerWith(32, [24, 1, 30])],
  ])("that %s is an error and no read out of bounds", (_, first, answer) => {
    const error = errorOf(() => walkCapabilities(answer, first));
    expect(error).toBeInstanceOf(VfioError);
    expect(error).toMatchObject({ code: "ERR_VFIO_BAD_CAPABILITY_CHAIN" });
    expect(error.message).toMatch(/leaves the answer at offset/);
  });

  it.each([
    ["to itself", answerWith(64, [24, 1, 24])],
    ["to an earlier one", answerWith(64, [24, 1, 40], [40, 2, 24])],
  ])("that comes back %s is an error and no endless loop", (_, answer) => {
    expect(errorOf(() => walkCapabilities(answer, 24)).message).toContain("comes back to offset 24");
  });

  it("of random bytes ends, with capabilities inside the answer or with an error of its own", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(320), (answer, first) => {
        try {
          for (const { offset } of walkCapabilities(answer, first)) {
            expect(offset + header.bytes).toBeLessThanOrEqual(answer.length);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(VfioError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("an array in an answer", () => {
  const answer = new Uint8Array(64);

  it("may fill it to its last byte, or be empty at its end", () => {
    expect(() => checkArray(answer, 32, 2, 16)).not.toThrow();
    expect(() => checkArray(answer, 64, 0, 16)).not.toThrow();
  });

  it.each([
    [32, 3, 16],
    [49, 1, 16],
    [0, 0xffffffff, 16], // 16 × 2^32 would be 0 in 32 bits
    [0, 2 ** 28, 16],
    [65, 0, 16],
    [0, NaN, 16],
  ])("from %d, %d elements of %d bytes: does not fit", (offset, count, bytes) => {
    const error = errorOf(() => checkArray(answer, offset, count, bytes));
    expect(error.code).toBe("ERR_VFIO_BAD_CAPABILITY_CHAIN");
    expect(error.message).toContain(`claims ${count} elements`);
  });
});
