/**
 * `npm run release:rehearse`: makes a release of this repository as it is now, publishes it to a registry on this
 * machine, and installs it from there in every way that is supported.
 */
import { parseArgs } from "node:util";
import "../set-up/check-node.mjs";
import { rehearse } from "./src/rehearsal/rehearsal.js";
import { table } from "./src/rehearsal/table.js";

const HELP = `Usage: npm run release:rehearse [-- options]

Makes a release of this repository as it is now: versions and changelogs from the changesets, build, prebuilt binaries.
Publishes it to a registry on this machine and installs it from there in every way that is supported. Nothing leaves
this machine, and nothing in this folder changes. Exit code 1 if somebody could not use the release.

  --json   the outcome as JSON on standard output, instead of a table
  --help   this text
`;

// npm passes on what the terminal has sent already: the second one must not end this before it has tidied up.
const controller = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => controller.abort(new Error(`stopped by ${signal}`)));

process.exitCode = await main();

async function main() {
  const options = readOptions();
  if (options === undefined) return 2;
  if (options.help) return say(HELP, 0);
  try {
    const outcome = await rehearse((step) => process.stderr.write(`${step}\n`), controller.signal);
    const text = options.json ? JSON.stringify(outcome, null, 2) : table(outcome);
    return say(`${text}\n`, outcome.rows.every(({ passed }) => passed) ? 0 : 1);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return controller.signal.aborted ? 130 : 1;
  }
}

function readOptions() {
  try {
    return parseArgs({ options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } })
      .values;
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${HELP}`);
    return undefined;
  }
}

function say(text, exitCode) {
  process.stdout.write(text);
  return exitCode;
}
