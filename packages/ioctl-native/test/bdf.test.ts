import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeBdf } from "../src/index.js";
import { expectRangeError } from "./support/errors.js";

describe("given the text of a PCI address", () => {
  it.each([
    ["0000:00:10.0", "0000:00:10.0"],
    ["00:10.0", "0000:00:10.0"],
    ["0000:3A:1F.7", "0000:3a:1f.7"],
    ["10000:e1:00.0", "10000:e1:00.0"],
    ["10000:E1:00.0", "10000:e1:00.0"],
    ["00000000:65:00.0", "0000:65:00.0"],
    ["00010000:01:00.0", "10000:01:00.0"],
    ["000F:01:00.0", "000f:01:00.0"],
    ["0000000f:01:00.0", "000f:01:00.0"],
    ["ffffffff:ff:1f.7", "ffffffff:ff:1f.7"],
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
    "000000000:00:10.0",
    "0000:00:10.0,0000:00:11.0",
  ])("%j is refused, with an example of a good one", (text) => {
    const shown = JSON.stringify(text).slice(1, -1);
    expectRangeError(() => normalizeBdf(text), "ERR_VFIO_BAD_BDF", shown, "0000:00:10.0");
  });

  it.each([
    [undefined, "undefined"],
    [null, "null"],
    [5, "5"],
    [["00:10.0"], "[Array]"],
  ])("%j, which is no text, is refused by its name", (value, shown) => {
    const use = (): string => normalizeBdf(value as unknown as string);
    expectRangeError(use, "ERR_VFIO_BAD_BDF", `${shown} is not a PCI address`);
  });

  it("any address, in whatever form, is in its normal form what the kernel prints: %04x:%02x:%02x.%d", () => {
    const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
    const upTo = (max: number) => fc.integer({ min: 0, max });
    fc.assert(
      fc.property(
        upTo(0xffff_ffff),
        upTo(255),
        upTo(31),
        upTo(7),
        fc.integer({ min: 4, max: 8 }),
        fc.boolean(),
        (domain, bus, device, fn, digits, upper) => {
          const rest = `${hex(bus, 2)}:${hex(device, 2)}.${fn}`;
          const text = `${hex(domain, digits)}:${rest}`;
          expect(normalizeBdf(upper ? text.toUpperCase() : text)).toBe(`${hex(domain, 4)}:${rest}`);
        },
      ),
    );
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
