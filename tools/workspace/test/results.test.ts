import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkRow, failuresIn, readResults, runRow, sum, verdict } from "../src/tests/results.js";

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "results-"))));
afterEach(() => rmSync(folder, { recursive: true }));

function written(text: string): string {
  const file = path.join(folder, "report.json");
  writeFileSync(file, text);
  return file;
}

/** A report of Vitest's: how many tests passed, failed, were skipped and are to do; and its files. */
function report([passed, failed, pending, todo]: number[], testResults: object[] = []): string {
  const numbers = { numPassedTests: passed, numFailedTests: failed, numPendingTests: pending };
  return written(JSON.stringify({ ...numbers, numTodoTests: todo, testResults }));
}

const row = (name: string, passed: number, failed: number, skipped: number) => {
  return { name, passed, failed, skipped };
};

describe("given the report of a test run", () => {
  const broken = { status: "failed", assertionResults: [] };
  const unprepared = { status: "failed", assertionResults: [{ status: "pending" }, { status: "pending" }] };

  it.each([
    ["its numbers are taken over, skipped and to-do tests as skipped", [5, 1, 2, 1], [], row("dma", 5, 1, 3)],
    ["a test file that does not even load counts as a failure", [5, 0, 0, 0], [broken], row("dma", 5, 1, 0)],
    [
      "so does one whose preparation failed: its tests are skipped",
      [5, 0, 2, 0],
      [unprepared],
      row("dma", 5, 1, 2),
    ],
    ["so does a report without a single test", [0, 0, 0, 0], [], row("dma (no tests)", 0, 1, 0)],
  ])("%s", (_what, numbers, files, expected) => {
    expect(readResults("dma", report(numbers, files))).toEqual(expected);
  });

  it("each failure is told in one line, with its file", () => {
    const pool = { name: "/there/pool.test.ts", ...broken, message: "Error: no lab\n at x" };
    const tests = [
      { status: "passed", fullName: "maps" },
      { status: "failed", fullName: "unmaps", failureMessages: ["expected 1 to be 2\n at y"] },
    ];
    const map = { name: "/there/map.test.ts", status: "failed", assertionResults: tests };
    const skipped = { ...pool, message: "", assertionResults: [{ status: "skipped" }] };

    expect(failuresIn(report([], [pool, map, skipped]))).toEqual([
      "pool.test.ts: Error: no lab",
      "map.test.ts: unmaps: expected 1 to be 2",
      "pool.test.ts: what it prepares failed, see above",
    ]);
  });

  it("a run that left no report, or rubbish, counts as a failure and not as nothing", () => {
    const files = ['{"status":"failed"}', "null", '{"assertionResults":[null]}', '{"assertionResults":[{}]}'];
    const odd = files.map((file) => `{"testResults":[${file}]}`);
    for (const text of [undefined, "not JSON", "{}", ...odd]) {
      const file = text === undefined ? path.join(folder, "absent.json") : written(text);
      expect(readResults("lab", file)).toMatchObject({ passed: 0, failed: 1 });
      expect(failuresIn(file)).toEqual([]);
    }
  });

  it("the sum is over everything that ran", () => {
    expect(sum([row("a", 1, 2, 3), row("b", 10, 20, 30)])).toEqual({ passed: 11, failed: 22, skipped: 33 });
  });
});

describe("given the exit status of a run whose reports are counted", () => {
  const green = row("dma", 5, 0, 0);
  const red = row("mp-sync", 5, 2, 0);

  it.each([
    ["a good one adds nothing, so that no test is counted twice", 0, [green], row("tests", 0, 0, 0)],
    ["without a failure in a report it is one", 1, [green], row("tests (exit status 1)", 0, 1, 0)],
    ["so is the end by Ctrl-C", 130, [green], row("tests (exit status 130)", 0, 1, 0)],
    ["a run that was killed is one failure", null, [green], row("tests (killed)", 0, 1, 0)],
    ["failures that the reports show are not counted again", 1, [green, red], row("tests", 0, 0, 0)],
    ["nor are they after a kill", null, [green, red], row("tests", 0, 0, 0)],
  ])("%s", (_what, status, reports, expected) => {
    expect(runRow("tests", status, reports)).toEqual(expected);
  });
});

it("given a check without a report, it passed or failed as a whole, and failed if it was killed", () => {
  const rows = [0, 1, null].map((status) => checkRow("lint", status));

  expect(rows).toEqual([row("lint", 1, 0, 0), row("lint", 0, 1, 0), row("lint", 0, 1, 0)]);
});

describe("given all rows", () => {
  const good = row("a", 3, 0, 1);

  it.each([
    ["the last line sums them up", [good], "3 passed, 0 failed, 1 skipped", 0],
    ["with a failure the exit code is 1", [good, row("b", 1, 2, 0)], "4 passed, 2 failed, 1 skipped", 1],
    ["nothing at all is no success", [], "0 passed, 0 failed, 0 skipped", 1],
    [
      "nor is a run that only its exit status fails",
      [good, runRow("x", 1, [good])],
      "3 passed, 1 failed, 1 skipped",
      1,
    ],
  ])("%s", (_what, rows, line, exitCode) => {
    expect(verdict(rows)).toEqual({ line, exitCode });
  });
});
