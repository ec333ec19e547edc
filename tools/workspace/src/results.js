/**
 * Sums up what test runs wrote down (Vitest's JSON reports).
 *
 * @typedef {{ name: string, passed: number, failed: number, skipped: number }} Row
 */
import { existsSync, readFileSync } from "node:fs";

/**
 * One report's numbers. A run that left no report, or none that can be read, counts as one failure: it must never
 * look like a run without tests.
 * @param {string} name
 * @param {string} file
 * @returns {Row}
 */
export function readResults(name, file) {
  if (!existsSync(file)) return { name: `${name} (no report)`, passed: 0, failed: 1, skipped: 0 };
  try {
    const report = JSON.parse(readFileSync(file, "utf8"));
    const passed = report.numPassedTests;
    const failed = report.numFailedTests;
    const skipped = report.numPendingTests + report.numTodoTests;
    // A file that does not even load has failed without a single failed test.
    const brokenFiles = report.testResults.filter(
      (/** @type {{ status: string, assertionResults: unknown[] }} */ each) =>
        each.status === "failed" && each.assertionResults.length === 0,
    ).length;
    return { name, passed, failed: failed + brokenFiles, skipped };
  } catch {
    return { name: `${name} (unreadable report)`, passed: 0, failed: 1, skipped: 0 };
  }
}

/**
 * @param {readonly Row[]} rows
 * @returns {Omit<Row, "name">}
 */
export function sum(rows) {
  const add = (/** @type {"passed" | "failed" | "skipped"} */ key) =>
    rows.reduce((total, row) => total + row[key], 0);
  return { passed: add("passed"), failed: add("failed"), skipped: add("skipped") };
}
