import { describe, expect, it } from "vitest";
import { Holds } from "../src/internal.js";

describe("given something that others rely on", () => {
  it("when two rely on it, one of them twice for the same reason, then each reason is told once, in order", () => {
    const holds = new Holds();
    holds.add("a mapped BAR");
    holds.add("a DMA mapping");
    holds.add("a mapped BAR");
    expect(holds.reasons).toEqual(["a mapped BAR", "a DMA mapping"]);
  });

  it("when one lets go, twice, then only its own hold is gone", () => {
    const holds = new Holds();
    const first = holds.add("a mapped BAR");
    holds.add("a mapped BAR");
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(holds.reasons).toEqual(["a mapped BAR"]);
  });
});
