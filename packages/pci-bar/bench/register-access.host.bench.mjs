/** One register access on mapped memory, against a native call that does nothing but add two numbers. */
import { createRequire } from "node:module";
import { createMemoryFile, Mapping } from "@vfio/ioctl-native";
import { OpenRegion } from "@vfio/pci-bar";
import { comparePairs, heapGrowth, measure, nanosecondsPerTurn } from "../../../tools/workspace/src/pairs.js";

const { add } = createRequire(import.meta.url)("./build/add.node");
const COUNT = 3_000_000;
const BYTES = 4096;
const LAST_WORD = BYTES - 4;

const file = createMemoryFile({ bytes: BYTES, pageBytes: BYTES });
const mapping = Mapping.map({ file, bytes: BYTES, name: "registers" });
const shape = { index: 0, name: "registers", bytes: BYTES, writable: true };
const bar = new OpenRegion({ ...shape, windows: [{ offset: 0, mapping }] });
// By native calls alone, as in another thread: it knows nothing of the one that mapped the memory.
const other = Mapping.fromHandle(mapping.handle).registers;

const adding = () => nanosecondsPerTurn(COUNT, addAll);
const rows = [
  { what: "read32", goal: 0.4, loop: readAll },
  { what: "read32 in another thread's mapping (a native call)", goal: 1, loop: readAllNatively },
  { what: "write32", goal: 1, loop: writeAll },
];
for (const { what, goal, loop } of rows) {
  const ours = () => nanosecondsPerTurn(COUNT, loop);
  comparePairs({ what: `${what}, by a native add(a, b)`, unit: "ns", goal, ours, c: adding });
}
measure({
  what: "read32 and write32, heap growth over 10 million",
  unit: "bytes",
  goal: 65536,
  ours: () => heapGrowth(10_000_000, (index) => bar.write32((index << 2) & LAST_WORD, bar.read32(8))),
  rounds: 3,
});
bar.close();
file.close();

// Each loop uses what it reads, or the compiler would leave out what it may.
function addAll(count) {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += add(index & 15, 4);
  return sum;
}

function readAll(count) {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += bar.read32((index << 2) & LAST_WORD);
  return sum;
}

function readAllNatively(count) {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += other.read32((index << 2) & LAST_WORD);
  return sum;
}

function writeAll(count) {
  for (let index = 0; index < count; index++) bar.write32((index << 2) & LAST_WORD, index);
}
