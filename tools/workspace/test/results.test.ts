import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkRow, failuresIn, readResults, runRow, sum, verdict } from "../src/tests/results.js";

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

  it("a test file whose preparation failed counts as a failure, although its tests were only skipped", () => {
    const unprepared = { status: "failed", assertionResults: [{ status: "pending" }, { status: "pending" }] };
    const file = report({
      numPassedTests: 5,
      numFailedTests: 0,
      numPendingTests: 2,
      numTodoTests: 0,
      testResults: [unprepared],
    });

    expect(readResults("dma", file)).toEqual({ name: "dma", passed: 5, failed: 1, skipped: 2 });
  });

  it("each failure is told in one line, with its file", () => {
    const broken = {
      name: "/there/pool.test.ts",
      status: "failed",
      message: "Error: no lab\n at x",
      assertionResults: [],
    };
    const red = {
      name: "/there/map.test.ts",
      status: "failed",
      assertionResults: [
        { status: "passed", fullName: "maps" },
        { status: "failed", fullName: "unmaps", failureMessages: ["expected 1 to be 2\n at y"] },
      ],
    };
    const unprepared = { ...broken, message: "", assertionResults: [{ status: "skipped" }] };
    const file = report({ testResults: [broken, red, unprepared] });

    expect(failuresIn(file)).toEqual([
      "pool.test.ts: Error: no lab",
      "map.test.ts: unmaps: expected 1 to be 2",
      "pool.test.ts: what it prepares failed, see above",
    ]);
  });

  it("a run that left no report, or rubbish, counts as a failure and not as nothing", () => {
    expect(readResults("lab", path.join(folder, "absent.json"))).toMatchObject({ passed: 0, failed: 1 });
    expect(readResults("lab", report("not JSON"))).toMatchObject({ passed: 0, failed: 1 });
    expect([path.join(folder, "absent.json"), report("not JSON")].flatMap(failuresIn)).toEqual([]);
  });

  it("a report without a single test counts as a failure", () => {
    const file = report({
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: [],
    });

    expect(readResults("dma", file)).toEqual({ name: "dma (no tests)", passed: 0, failed: 1, skipped: 0 });
  });

  it("the sum is over everything that ran", () => {
    const rows = [
      { name: "a", passed: 1, failed: 2, skipped: 3 },
      { name: "b", passed: 10, failed: 20, skipped: 30 },
    ];

    expect(sum(rows)).toEqual({ passed: 11, failed: 22, skipped: 33 });
  });
});

describe("given the exit status of a run whose reports are counted", () => {
  const green = { name: "dma", passed: 5, failed: 0, skipped: 0 };
  const red = { name: "mp-sync", passed: 5, failed: 2, skipped: 0 };
  const nothing = { passed: 0, failed: 0, skipped: 0 };

  it("a good one adds nothing, so that no test is counted twice", () => {
    expect(runRow("tests", 0, [green])).toEqual({ name: "tests", ...nothing });
  });

  it.each([1, 130])("%i although no report shows a failure is one failure", (status) => {
    expect(runRow("tests", status, [green])).toEqual({
      name: `tests (exit status ${status})`,
      ...nothing,
      failed: 1,
    });
  });

  it("a run that was killed is one failure", () => {
    expect(runRow("tests", null, [green])).toEqual({ name: "tests (killed)", ...nothing, failed: 1 });
  });

  it("failures that the reports show are not counted again", () => {
    expect(runRow("tests", 1, [green, red])).toEqual({ name: "tests", ...nothing });
    expect(runRow("tests", null, [green, red])).toEqual({ name: "tests", ...nothing });
  });
});

describe("given a check without a report", () => {
  it("it passed or failed as a whole, and failed if it was killed", () => {
    expect(checkRow("lint", 0)).toEqual({ name: "lint", passed: 1, failed: 0, skipped: 0 });
    expect(checkRow("lint", 1)).toEqual({ name: "lint", passed: 0, failed: 1, skipped: 0 });
    expect(checkRow("lint", null)).toEqual({ name: "lint", passed: 0, failed: 1, skipped: 0 });
  });
});

describe("given all rows", () => {
  it("the last line sums them up, and the exit code is 0 only without a failure", () => {
    const good = { name: "a", passed: 3, failed: 0, skipped: 1 };
    const bad = { name: "b", passed: 1, failed: 2, skipped: 0 };

    expect(verdict([good])).toEqual({ line: "3 passed, 0 failed, 1 skipped", exitCode: 0 });
    expect(verdict([good, bad])).toEqual({ line: "4 passed, 2 failed, 1 skipped", exitCode: 1 });
    expect(verdict([good, runRow("tests", 1, [good])]).exitCode).toBe(1);
  });

  it("nothing at all is no success", () => {
    expect(verdict([])).toEqual({ line: "0 passed, 0 failed, 0 skipped", exitCode: 1 });
  });
});
