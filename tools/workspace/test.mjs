/**
 * `npm test`: set-up, and what the tests need; lint, what nobody uses, types, documentation and tests of every project;
 * then the tests that need a real VFIO kernel, in the lab. Ends with one line that sums up everything that ran.
 */
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { root, stop, tool } from "../set-up/bootstrap.mjs";
import { endedBy, exitCodeOf, runProgram } from "../set-up/src/run-program.js";
import { PACKAGE_FOLDERS } from "./src/layers.js";
import { checkRow, failuresIn, readResults, runRow, sum, verdict } from "./src/tests/results.js";

const results = path.join(root, ".results");
const projects = Object.keys(PACKAGE_FOLDERS).map((name) => name.replace("@vfio/", ""));

const prepared = await check("what the tests need", process.execPath, [program("prepare-tests.mjs")]);
if (prepared.failed > 0) {
  process.stdout.write(`\nNothing was tested: the above is missing.\n${verdict([prepared]).line}\n`);
  process.exit(1);
}
// What an earlier run wrote must not pass for this one's; Nx puts back the reports of what it need not run again.
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

const checks = [
  await check("lint", tool("nx"), ["run-many", "-t", "lint"]),
  await check("nothing unused", tool("knip"), ["--no-progress", "--no-config-hints"]),
  await check("typecheck", tool("nx"), ["run-many", "-t", "typecheck"]),
  await check("docs without warnings", process.execPath, [program("docs.mjs"), "--check"]),
];
const hostStatus = await run("tests on this host", tool("nx"), ["run-many", "-t", "test", "test-native"]);
const labStatus = await run("tests in the lab", process.execPath, [program("test-lab.mjs")]);

const hostReports = projects.map((name) => report(name, `@vfio/${name}.json`));
hostReports.push(report("ioctl-native, sanitized", "@vfio/ioctl-native-sanitized.json"));
const labReports = [
  report("all packages, in the lab", "in-lab.json"),
  report("the lab: 48 bits, two nodes", "in-lab-48.json"),
];
const read = ({ name, file }) => readResults(name, file);
const [host, lab] = [hostReports.map(read), labReports.map(read)];
const runs = [
  runRow("tests on this host", hostStatus, host),
  runRow("tests in the lab", labStatus, lab),
].filter(({ failed }) => failed > 0);
const rows = [prepared, ...checks, ...host, ...lab, ...runs];
const total = sum(rows);
const inLab = sum(lab).passed + sum(lab).failed;

process.stdout.write("\n");
for (const { name, file } of [...hostReports, ...labReports])
  for (const failure of failuresIn(file)) process.stdout.write(`FAILED ${name}: ${failure}\n`);
for (const row of rows) process.stdout.write(`${row.name.padEnd(28)} ${verdict([row]).line}\n`);
process.stdout.write(
  `${total.passed + total.failed} ran, ${inLab} of them in the lab on a real VFIO kernel\n\n`,
);
const { line, exitCode } = verdict(rows);
process.stdout.write(`${line}\n`);
process.exitCode = exitCode;

async function check(title, command, args) {
  return checkRow(title, await run(title, command, args));
}

function report(name, file) {
  return { name, file: path.join(results, file) };
}

function program(name) {
  return path.join(root, "tools/workspace", name);
}

/** The exit code. A signal ends the step, and all of this with it. */
async function run(title, command, args) {
  process.stdout.write(`\n=== ${title}\n`);
  const stdio = ["ignore", "inherit", "inherit"];
  const ended = await runProgram(command, args, { cwd: root, stdio, alone: true });
  if (ended.endedBy !== undefined) stop(`\n${endedBy(ended.endedBy)}`, exitCodeOf(ended.endedBy));
  return ended.exitCode;
}
