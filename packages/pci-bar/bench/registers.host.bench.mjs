/** What register access costs on mapped memory: no device is needed, so this runs on the host. */
import { createMemoryFile, Mapping } from "@vfio/ioctl-native";
import { defineRegisters, OpenRegion } from "@vfio/pci-bar";
import {
  comparePairs,
  heapGrowth,
  measure,
  nanosecondsPerCall,
  nanosecondsPerTurn,
  runC,
} from "../../../tools/workspace/src/pairs.js";

const BLOCK_BYTES = 4096;
const BYTES = 2 * BLOCK_BYTES;
const BLOCKS = 200_000;
const COUNT = 2_000_000;
const TEN_MILLION = 10_000_000;

const file = createMemoryFile({ bytes: BYTES, pageBytes: 4096 });
const mapping = Mapping.map({ file, bytes: BYTES, name: "the benchmark's registers" });
const shape = { index: 0, name: "the benchmark's registers", bytes: BYTES, writable: true };
const region = new OpenRegion({ ...shape, windows: [{ offset: 0, mapping }] });
const regs = defineRegisters({
  other: { offset: 0x00 },
  status: { offset: 0x40, fields: { ready: { bit: 3 }, mode: { bits: [6, 4] } } },
  control: { offset: 0x44 },
}).on(region);
const block = new Uint32Array(BLOCK_BYTES / 4);
const halves = new Uint32Array(2);
const small = new Uint32Array(16);

comparePairs({
  what: "block read of 4 KiB as 32-bit registers",
  unit: "ns",
  goal: 1.5,
  ours: () => nanosecondsPerCall(BLOCKS, () => region.readBlock(0, block)),
  c: () => runC(import.meta.dirname, "block", BLOCKS),
});

/** The loops are functions of their own, as a driver's would be, so that each is compiled for itself. */
const plainReads = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + region.read32(0x40)) | 0;
  return sum;
};
const namedReads = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + regs.status.readRaw()) | 0;
  return sum;
};
const plainWrites = (count) => {
  for (let index = 0; index < count; index++) region.write32(0x44, index);
};
const namedWrites = (count) => {
  for (let index = 0; index < count; index++) regs.control.writeRaw(index);
};
const fieldReads = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + regs.status.fields.mode.read()) | 0;
  return sum;
};

for (const [what, named, plain] of [
  ["named register readRaw(), against read32 instead of C", namedReads, plainReads],
  ["named register writeRaw(), against write32 instead of C", namedWrites, plainWrites],
]) {
  comparePairs({
    what,
    unit: "ns",
    goal: 1.2,
    ours: () => nanosecondsPerTurn(COUNT, named),
    c: () => nanosecondsPerTurn(COUNT, plain),
  });
}
comparePairs({
  what: "field of a named register, against read32 instead of C",
  unit: "ns",
  ours: () => nanosecondsPerTurn(COUNT, fieldReads),
  c: () => nanosecondsPerTurn(COUNT, plainReads),
});

for (const [what, access] of [
  ["named register read and write", (index) => regs.control.writeRaw(regs.status.readRaw() & index)],
  ["field of a named register", () => regs.status.fields.mode.read()],
  [
    "64 bits in halves, read and written",
    () => (region.readHalves(8, halves), region.writeHalves(8, halves[0], halves[1])),
  ],
  [
    "block of 16 registers, read and written",
    () => (region.readBlock(0x100, small), region.writeBlock(0x100, small)),
  ],
]) {
  measure({
    what: `${what}, heap growth over 10 million`,
    unit: "bytes",
    goal: 65536,
    rounds: 1,
    ours: () => heapGrowth(TEN_MILLION, access),
  });
}
region.close();
file.close();
