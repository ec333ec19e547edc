import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { missesGoal, plotsOf, withResults, type BenchReport } from "../src/bench/benchmark-page.js";

const docs = path.resolve(import.meta.dirname, "../../../docs");
const read = (file: string): string => readFileSync(path.join(docs, file), "utf8");
const published = (): BenchReport => JSON.parse(read("benchmarks/results.json")) as BenchReport;

const lab = { name: "lab", kernel: "6.12", emulated: true } as const;
const host = { name: "host", kernel: "6.18", emulated: false } as const;
const report: BenchReport = {
  machine: { processor: "Some CPU", processors: 2, memoryGiB: 24, node: "v20.0.0", date: "2026-01-02" },
  rows: [
    {
      package: "dma",
      place: lab,
      what: "map",
      unit: "ns",
      ours: 2_500_000,
      c: 2_000_000,
      ratio: 1.25,
      goal: 1.15,
    },
    { package: "dma", place: host, what: "pool", unit: "ns", ours: 8.5, goal: 30 },
    { package: "dma", place: host, what: "garbage", unit: "bytes", ours: 4096 },
  ],
};
const page = "# Page\n\n<!-- results -->\nold\n<!-- end of results -->\n\nAfter.\n";

describe("given the published benchmarks", () => {
  it("then the page has the figures of results.json", () => {
    const text = read("benchmarks.md");
    expect(withResults(text, published())).toBe(text);
  });

  it.each(["ratios", "goals"])(
    "then the plot %s has a figure for each of its bars, and colours for the dark",
    (name) => {
      const svg = read(`benchmarks/${name}.svg`);
      const bars = plotsOf(published().rows)[name]!.bars;
      expect(bars.length).toBeGreaterThan(0);
      for (const { value, goal } of bars)
        expect(svg).toContain(`>${value.toFixed(2)}${goal === undefined ? "" : ` (≤ ${goal})`}<`);
      expect(svg).toContain("prefers-color-scheme: dark");
    },
  );
});

describe("given a run of the benchmarks", () => {
  it("when its results are put in the page, then the text around them stays, and the old ones go", () => {
    const text = withResults(page, report);
    expect(text).toMatch(/^# Page\n\n<!-- results -->/);
    expect(text).toMatch(/<!-- end of results -->\n\nAfter\.\n$/);
    expect(text).not.toContain("old");
  });

  it("then the page says on what machine, and that the lab's processor was emulated", () => {
    const text = withResults(page, report);
    expect(text).toContain("| Processor | Some CPU, 2 cores, 24 GiB of memory |");
    expect(text).toContain("| Kernel, lab | Linux 6.12, **on an emulated processor** (QEMU without KVM) |");
    expect(text).toContain("| Kernel, host | Linux 6.18 |");
  });

  it("then a goal that was missed is called missed, one that was met is called met, and none is none", () => {
    const text = withResults(page, report);
    expect(text).toContain("| map | lab | 2.5 ms | 2 ms | 1.25 | ≤ 1.15 | missed |");
    expect(text).toContain("| pool | host | 8.5 ns |  |  | ≤ 30 ns | met |");
    expect(text).toContain("| garbage | host | 4 KiB |  |  |  |  |");
    expect(report.rows.map(missesGoal)).toEqual([true, false, false]);
  });

  it("then what has no C is plotted as a share of its goal", () => {
    const { ratios, goals } = plotsOf(report.rows);
    expect(ratios?.bars).toEqual([{ label: "map", value: 1.25, goal: 1.15 }]);
    expect(goals?.bars).toEqual([{ label: "pool", value: 8.5 / 30, goal: 1 }]);
  });

  it("when the page has no place for results, then it is an error and not a silent loss", () => {
    expect(() => withResults("# Page\n", report)).toThrow("no <!-- results -->");
  });
});
