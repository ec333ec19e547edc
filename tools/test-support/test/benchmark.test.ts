import { describe, expect, it } from "vitest";
import { median } from "../src/benchmark.js";

describe("given measured values", () => {
  it("the median is the middle one, or between the middle two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});
