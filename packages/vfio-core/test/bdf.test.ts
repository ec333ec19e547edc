import { errorOf } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeBdf } from "../src/index.js";

describe("given the text of a PCI address", () => {
  it.each([
    ["0000:00:10.0", "0000:00:10.0"],
    ["00:10.0", "0000:00:10.0"],
    ["0000:3A:1F.7", "0000:3a:1f.7"],
    ["10000:e1:00.0", "10000:e1:00.0"],
  ])("%s is %s", (text, expected) => {
    expect(normalizeBdf(text)).toBe(expected);
  });

  it.each([
    "",
    "10.0",
    "0000:00:10",
    "0000:00:10.8",
    "0000:00:20.0",
    "0000:0g:10.0",
    "../../etc",
    "0000:00:10.0 ",
    "000:00:10.0",
  ])("%j is refused, with an example of a good one", (text) => {
    const error = errorOf(() => normalizeBdf(text));

    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ code: "ERR_VFIO_BAD_BDF" });
    expect(error.message).toContain(JSON.stringify(text).slice(1, -1));
    expect(error.message).toContain("0000:00:10.0");
  });

  it("whatever the text, the result is an address that is its own normal form, or a RangeError", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const bdf = normalizeBdf(text);
          expect(normalizeBdf(bdf)).toBe(bdf);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
