import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { median } from "../src/pairs.js";
import { readResults, sum } from "../src/results.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "results-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function report(content: unknown): string {
  const file = path.join(folder, "report.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

describe("given the report of a test run", () => {
  it("its numbers are taken over, skipped and to-do tests as skipped", () => {
    const file = report({
      numPassedTests: 5,
      numFailedTests: 1,
      numPendingTests: 2,
      numTodoTests: 1,
      testResults: [],
    });

    expect(readResults("dma", file)).toEqual({ name: "dma", passed: 5, failed: 1, skipped: 3 });
  });

  it("a test file that does not even load counts as a failure", () => {
    const broken = { status: "failed", assertionResults: [] };
    const file = report({
      numPassedTests: 5,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: [broken],
    });

    expect(readResults("dma", file).failed).toBe(1);
  });

  it("a run that left no report, or rubbish, counts as a failure and not as nothing", () => {
    expect(readResults("lab", path.join(folder, "absent.json"))).toMatchObject({ passed: 0, failed: 1 });
    expect(readResults("lab", report("not JSON"))).toMatchObject({ passed: 0, failed: 1 });
  });

  it("the sum is over everything that ran", () => {
    const rows = [
      { name: "a", passed: 1, failed: 2, skipped: 3 },
      { name: "b", passed: 10, failed: 20, skipped: 30 },
    ];

    expect(sum(rows)).toEqual({ passed: 11, failed: 22, skipped: 33 });
  });
});

describe("given measured values", () => {
  it("the median is the middle one, or between the middle two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});
