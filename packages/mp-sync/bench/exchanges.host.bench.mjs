/** Our primary under C secondaries, against a C primary of 2014. Any fd serves, so this runs on the host. */
import { comparePairs, measure, runC } from "@vfio/test-support/benchmark";
import { ourPrimary, primaryInC } from "./peers.mjs";

const EXCHANGES = 20_000;
const GROUP = 7;
const THREADS = 4;

const files = ["/dev/null", "/dev/null", String(GROUP)];
const [ours, c] = [await ourPrimary(...files), await primaryInC(...files)];
const secondary = (what, socket, ...more) =>
  runC(import.meta.dirname, "secondary", what, socket, GROUP, EXCHANGES, THREADS, ...more);

comparePairs({
  what: `exchanges of our primary with ${THREADS} C secondaries at once, each`,
  unit: "ns",
  goal: 1.25,
  ours: () => secondary("load", ours),
  c: () => secondary("load", c),
});
measure({
  what: "99th percentile with 20 silent clients, over that without",
  unit: "times",
  goal: 2,
  ours: () => secondary("p99", ours, 20) / secondary("p99", ours, 0),
});
process.exit();
