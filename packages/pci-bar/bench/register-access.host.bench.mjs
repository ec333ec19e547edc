/** One register access on mapped memory, against a native call that does nothing but add two numbers. */
import { createRequire } from "node:module";
import { createMemoryFile, LinearMemory, Mapping } from "@vfio/ioctl-native";
import { OpenRegion } from "@vfio/pci-bar";
import {
  comparePairs,
  heapGrowth,
  heapGrowthOfLoop,
  measure,
  nanosecondsPerTurn,
} from "@vfio/test-support/benchmark";

const { add } = createRequire(import.meta.url)("./build/add.node");
const COUNT = 3_000_000;
const BYTES = 4096;
const LAST_WORD = BYTES - 4;
/** From 2^31 on a number is an object in V8, wherever one function hands it to another. */
const LARGE = 0xdeadbeef;

const file = createMemoryFile({ bytes: BYTES, pageBytes: BYTES });
// As a device's BAR lies.
const within = new LinearMemory({ bytes: 2 ** 20 });
const mapping = Mapping.map({ file, bytes: BYTES, name: "registers", within });
const shape = { index: 0, name: "registers", bytes: BYTES, writable: true };
const bar = new OpenRegion({ ...shape, windows: [{ offset: 0, mapping }] });
// By native calls alone, as in another thread: it knows nothing of the one that mapped the memory.
const other = Mapping.fromHandle(mapping.handle).registers;

const adding = () => nanosecondsPerTurn(COUNT, addAll);
const rows = [
  { what: "read32", goal: 0.2, loop: readAll },
  { what: "read32 in another thread's mapping (a native call)", goal: 1, loop: readAllNatively },
  { what: "write32", goal: 0.25, loop: writeAll },
];
for (const { what, goal, loop } of rows) {
  const ours = () => nanosecondsPerTurn(COUNT, loop);
  comparePairs({ what: `${what}, by a native add(a, b)`, unit: "ns", goal, ours, c: adding });
}
bar.write32(8, LARGE);
comparePairs({
  what: "read32 of 0xdeadbeef, by a native add(a, b) whose sum is as large",
  unit: "ns",
  goal: 0.4,
  ours: () => nanosecondsPerTurn(COUNT, readLarge),
  c: () => nanosecondsPerTurn(COUNT, addLarge),
});
measure({
  what: "read32 of 0xdeadbeef used as an integer, heap growth per call over 10 million",
  unit: "bytes",
  ours: () => heapGrowthOfLoop(10_000_000, readLarge) / 10_000_000,
  rounds: 1,
});
bar.write32(8, 5);
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

function addLarge(count) {
  let sum = 0;
  // Of two small integers, so that only the sum is large, as the value read is.
  for (let index = 0; index < count; index++) sum = (sum + add(0x7fffffff, 0x5eadbef0)) | 0;
  return sum;
}

function readLarge(count) {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + bar.read32(8)) | 0;
  return sum;
}
