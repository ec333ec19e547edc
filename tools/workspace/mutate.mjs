/**
 * `npm run mutate`: makes small changes to the sources, one at a time, and tells which of them the tests on this host do
 * not notice. Everything happens in a copy of the repository.
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { bootstrap, root } from "../set-up/bootstrap.mjs";

const PACKAGES = ["dma", "pci-bar", "mp-sync", "vfio-core", "ioctl-native"];
const GOAL = 0.9;

const HELP = `Usage: npm run mutate [-- options]

Makes small changes to the packages' sources, one at a time: another operator, a condition that always or never holds, a
call left out, another constant. Tells which of them the tests on this host (not those in the lab) do not notice. The
changes are made in a copy; nothing in this folder changes.

  --package <name>    ${PACKAGES.join(", ")}; repeatable. Default: all
  --count <n>         how many changes in all, the same number in each package. Default: 100
  --seed <n>          which ones: the same seed chooses the same changes of the same sources. Default: 1
  --at <file[:line]>  all changes at this place instead; repeatable. For example packages/dma/src/memory/hugepages.ts:20
  --json              the outcome as JSON on standard output, instead of a table
  --help              this text

Exit code: 0 if at least ${GOAL * 100} of 100 were noticed, 1 if not, 2 if the options are wrong, 130 after Ctrl-C.
`;

// npm passes on what the terminal has sent already: the second one must not end this before it has tidied up.
const controller = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () =>
    controller.abort(new Error(`ended by ${signal === "SIGINT" ? "Ctrl-C" : signal}`)),
  );

process.exitCode = await main();

async function main() {
  const options = readOptions();
  if (typeof options === "string") return say(process.stderr, `${options}\n\n${HELP}`, 2);
  if (options.help) return say(process.stdout, HELP, 0);
  await bootstrap();
  try {
    const rows = await mutate(options);
    const outcome = { seed: options.seed, ...sums(rows), changes: rows };
    const text = options.json ? JSON.stringify(outcome, null, 2) : await report(outcome);
    return say(process.stdout, `${text}\n`, outcome.noticedOf100 >= GOAL * 100 ? 0 : 1);
  } catch (error) {
    return say(process.stderr, `${error.message}\n`, controller.signal.aborted ? 130 : 1);
  }
}

/** The options, or what is wrong with them. */
function readOptions() {
  const options = {
    package: { type: "string", multiple: true, default: PACKAGES },
    count: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    at: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  };
  try {
    const { values } = parseArgs({ options });
    const unknown = values.package.find((name) => !PACKAGES.includes(name));
    if (unknown !== undefined) return `There is no package ${unknown} to change.`;
    const [count, seed] = [Number(values.count), Number(values.seed)];
    if (!Number.isInteger(count) || count < 1) return "--count is a whole number above 0.";
    if (!Number.isInteger(seed)) return "--seed is a whole number.";
    return { ...values, count, seed };
  } catch (error) {
    return error.message;
  }
}

/** Imported only here: before the set-up there are no packages. */
async function mutate(options) {
  const { ChangedCopy } = await import("./src/mutate/mutation-run.js");
  const { signal } = controller;
  const chosen = await choose(options);
  const rows = [];
  const copy = await ChangedCopy.make(root, PACKAGES, signal);
  try {
    for (const [name, places] of chosen) {
      const parts = await copy.unchanged(name, signal);
      const times = parts.map(({ ms }) => seconds(ms / 1000)).join(", then ");
      process.stderr.write(`${name}: ${places.length} changes; its test files take ${times}\n`);
      for (const place of places) {
        const row = await copy.try(name, place, { parts, signal });
        rows.push(row);
        process.stderr.write(
          `  ${row.outcome.padEnd(9)} ${seconds(row.seconds).padStart(7)}  ${line(row)}\n`,
        );
      }
    }
  } finally {
    copy.remove();
  }
  return rows;
}

/** The changes to try, for each package. */
async function choose({ package: packages, count, seed, at }) {
  const { placesIn, isAt } = await import("./src/mutate/mutation-run.js");
  const { sample } = await import("./src/mutate/sample.js");
  const chosen = packages.map((name, index) => {
    const places = placesIn(path.join(root, "packages", name));
    const share = Math.floor(count / packages.length) + (index < count % packages.length ? 1 : 0);
    if (at.length === 0) return [name, sample(places, share, seed)];
    return [name, places.filter((place) => at.some((wanted) => isAt(place, name, wanted)))];
  });
  const some = chosen.filter(([, places]) => places.length > 0);
  if (some.length === 0) throw new Error(`There is nothing to change at ${at.join(" or ")}.`);
  return some;
}

function sums(rows) {
  const count = (outcome) => rows.filter((row) => row.outcome === outcome).length;
  const [noticed, survived, timedOut] = ["noticed", "survived", "timed out"].map(count);
  return { noticed, survived, timedOut, noticedOf100: (100 * (noticed + timedOut)) / rows.length };
}

async function report({ noticed, survived, timedOut, noticedOf100, changes, seed }) {
  const { default: Table } = await import("cli-table3");
  const view = new Table({
    head: ["", "where", "kind", "change"],
    style: { head: [], border: [], compact: true },
  });
  for (const row of changes.filter(({ outcome }) => outcome !== "noticed"))
    view.push([row.outcome, `${row.file}:${row.line}`, row.kind, change(row)]);
  const sum = `${noticed} noticed, ${survived} survived, ${timedOut} timed out: the tests notice ${noticedOf100.toFixed(0)} of 100 (seed ${seed})`;
  return view.length === 0 ? sum : `${view.toString()}\n${sum}`;
}

function line(row) {
  return `${row.file}:${row.line}  ${row.kind}: ${change(row)}`;
}

function change({ before, after }) {
  return `${shortened(before)} → ${shortened(after)}`;
}

function shortened(text) {
  return text.length <= 30 ? text : `${text.slice(0, 29)}…`;
}

function seconds(number) {
  return `${number.toFixed(1)} s`;
}

function say(stream, text, exitCode) {
  stream.write(text);
  return exitCode;
}
