/**
 * Sums up test runs' reports (Vitest's JSON).
 *
 * @typedef {{ name: string, passed: number, failed: number, skipped: number }} Row
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/**
 * One report's numbers. A missing, unreadable or empty report counts as one failure: it must never look like a success.
 * @param {string} name
 * @param {string} file
 * @returns {Row}
 */
export function readResults(name, file) {
  if (!existsSync(file)) return failure(`${name} (no report)`);
  const report = readReport(file);
  if (report === undefined) return failure(`${name} (unreadable report)`);
  const { numPassedTests: passed, numPendingTests, numTodoTests, numFailedTests } = report;
  const skipped = numPendingTests + numTodoTests;
  const failed = numFailedTests + report.testResults.filter(isBroken).length;
  return passed + failed + skipped === 0 ? failure(`${name} (no tests)`) : { name, passed, failed, skipped };
}

/**
 * Each failed test with the first line of its error, for the end of a long output.
 * @param {string} file a report; an unreadable one has no failures.
 * @returns {string[]}
 */
export function failuresIn(file) {
  return readReport(file)?.testResults.flatMap(failuresOf) ?? [];
}

function readReport(file) {
  // What has another shape is as unreadable as what is no JSON.
  try {
    const report = JSON.parse(readFileSync(file, "utf8"));
    return report.testResults.every(isFileReport) ? report : undefined;
  } catch {
    return undefined;
  }
}

function isFileReport({ assertionResults }) {
  return assertionResults.every(({ status }) => typeof status === "string");
}

function failuresOf(result) {
  const failed = result.assertionResults.filter(({ status }) => status === "failed");
  const lines = failed.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages?.[0] ?? ""}`);
  // Vitest gives a reason here only for failures outside of every describe.
  if (isBroken(result)) lines.push(result.message || "what it prepares failed, see above");
  return lines.map((line) => `${path.basename(result.name ?? "")}: ${line.trim().split("\n")[0]}`);
}

/** A file that does not load, or whose preparation failed, has no failed test. */
function isBroken({ status, assertionResults }) {
  return status === "failed" && assertionResults.every((each) => each.status !== "failed");
}

/** @param {readonly Row[]} rows @returns {Omit<Row, "name">} */
export function sum(rows) {
  const add = (key) => rows.reduce((total, row) => total + row[key], 0);
  return { passed: add("passed"), failed: add("failed"), skipped: add("skipped") };
}

/**
 * A check without a report of its own, such as lint: it passed or failed as a whole.
 * @param {string} name
 * @param {number | null} status the exit status; null if a signal ended it.
 * @returns {Row}
 */
export function checkRow(name, status) {
  return status === 0 ? { name, passed: 1, failed: 0, skipped: 0 } : failure(name);
}

/**
 * A run of tests with reports of their own. It adds one failure if it failed and they do not show why (an error outside
 * of any test, a killed run).
 * @param {string} name
 * @param {number | null} status the exit status; null if a signal ended it.
 * @param {readonly Row[]} reports of the run.
 * @returns {Row}
 */
export function runRow(name, status, reports) {
  if (status === 0 || sum(reports).failed > 0) return { name, passed: 0, failed: 0, skipped: 0 };
  return failure(`${name} (${status === null ? "killed" : `exit status ${status}`})`);
}

/**
 * The last line of `npm test`, and its exit code: 0 only if something passed and nothing failed.
 * @param {readonly Row[]} rows
 */
export function verdict(rows) {
  const { passed, failed, skipped } = sum(rows);
  const line = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  return { line, exitCode: failed === 0 && passed > 0 ? 0 : 1 };
}

function failure(name) {
  return { name, passed: 0, failed: 1, skipped: 0 };
}
