/** What register access costs on mapped memory: no device is needed, so this runs on the host. */
import { createMemoryFile, LinearMemory, Mapping } from "@vfio/ioctl-native";
import { defineRegisters, OpenRegion } from "@vfio/pci-bar";
import {
  comparePairs,
  heapGrowth,
  heapGrowthOfLoop,
  measure,
  nanosecondsPerCall,
  nanosecondsPerTurn,
  runC,
} from "@vfio/test-support/benchmark";

const BLOCK_BYTES = 4096;
const BYTES = 2 * BLOCK_BYTES;
const BLOCKS = 200_000;
const COUNT = 2_000_000;
const TEN_MILLION = 10_000_000;

const file = createMemoryFile({ bytes: BYTES, pageBytes: 4096 });
// As a device's BAR lies.
const within = new LinearMemory({ bytes: 2 ** 20 });
const mapping = Mapping.map({ file, bytes: BYTES, name: "the benchmark's registers", within });
const shape = { index: 0, name: "the benchmark's registers", bytes: BYTES, writable: true };
const region = new OpenRegion({ ...shape, windows: [{ offset: 0, mapping }] });
const regs = defineRegisters({
  other: { offset: 0x00 },
  status: { offset: 0x40, fields: { ready: { bit: 3 }, mode: { bits: [6, 4] } } },
  control: {
    offset: 0x44,
    fields: {
      enable: { bit: 0 },
      speed: { bits: [5, 4], values: { slow: 0, fast: 2 } },
      depth: { bits: [15, 8] },
      done: { bit: 16, access: "w1c" },
    },
  },
  large: { offset: 0x48, fields: { mode: { bits: [6, 4] }, all: { bits: [31, 16] } } },
  narrow: { offset: 0x4c, width: 16, fields: { enable: { bit: 0 }, depth: { bits: [15, 8] } } },
  queues: { offset: 0x80, count: 4, fields: { ready: { bit: 3 }, mode: { bits: [6, 4] } } },
}).on(region);
region.write32(0x48, 0xdeadbeef);
const block = new Uint32Array(BLOCK_BYTES / 4);
const halves = new Uint32Array(2);
const small = new Uint32Array(16);

comparePairs({
  what: "block read of 4 KiB as 32-bit registers",
  unit: "ns",
  goal: 1,
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
const objectFieldReads = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + regs.status.read().mode) | 0;
  return sum;
};
const plainChanges = (count) => {
  for (let index = 0; index < count; index++)
    region.write32(0x44, (region.read32(0x44) & ~0xff00) | ((index & 255) << 8));
};
const fieldWrites = (count) => {
  for (let index = 0; index < count; index++) regs.control.fields.depth.write(index & 255);
};

const halfReads = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) {
    region.readHalves(0x40, halves);
    sum = (sum + halves[0]) | 0;
  }
  return sum;
};
const halfWrites = (count) => {
  for (let index = 0; index < count; index++) region.writeHalves(0x50, index, 1);
};

for (const [what, named, plain] of [
  ["readHalves(), against read32 instead of C", halfReads, plainReads],
  ["writeHalves(), against write32 instead of C", halfWrites, plainWrites],
  ["named register readRaw(), against read32 instead of C", namedReads, plainReads],
  ["named register writeRaw(), against write32 instead of C", namedWrites, plainWrites],
  ["field of a named register, read(), against read32 instead of C", fieldReads, plainReads],
  [
    "named register read(), of which one field is used, against read32 instead of C",
    objectFieldReads,
    plainReads,
  ],
  ["field of a named register, write(), against read32 and write32 instead of C", fieldWrites, plainChanges],
]) {
  compareLoops(what, named, plain, 1.1);
}

/** One place in the program that reads several registers: V8 can no longer inline all of it. */
const queues = [...regs.queues];
const plainReadsOfFour = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + region.read32(0x80 + (index & 3) * 4)) | 0;
  return sum;
};
const objectFieldReadsOfFour = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + queues[index & 3].read().mode) | 0;
  return sum;
};
const fieldReadsOfFour = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + queues[index & 3].fields.mode.read()) | 0;
  return sum;
};
for (const [what, named, goal] of [
  ["read(), of which one field is used", objectFieldReadsOfFour, 1.3],
  ["fields.x.read()", fieldReadsOfFour],
]) {
  const row = `four registers of an array in turn, ${what}, against read32 instead of C`;
  compareLoops(row, named, plainReadsOfFour, goal);
}

/** Several fields in an object, against the same object taken apart or put together by hand. */
const kept = [{}];
const objectReads = (count) => {
  for (let index = 0; index < count; index++) kept[0] = regs.control.read();
};
const objectReadsByHand = (count) => {
  for (let index = 0; index < count; index++) {
    const bits = region.read32(0x44);
    const speed = (bits >>> 4) & 3;
    kept[0] = {
      enable: (bits & 1) !== 0,
      speed: speed === 0 ? "slow" : speed === 2 ? "fast" : speed,
      depth: (bits >>> 8) & 255,
      done: (bits & 0x10000) !== 0,
    };
  }
};
const objectWrites = (count) => {
  for (let index = 0; index < count; index++)
    regs.control.write((kept[0] = { enable: true, depth: index & 255 }));
};
const objectWritesByHand = (count) => {
  for (let index = 0; index < count; index++)
    region.write32(0x44, placed((kept[0] = { enable: true, depth: index & 255 }), 0));
};
const modifications = (count) => {
  for (let index = 0; index < count; index++) regs.control.modify((kept[0] = { enable: (index & 1) === 0 }));
};
const modificationsByHand = (count) => {
  for (let index = 0; index < count; index++)
    region.write32(0x44, placed((kept[0] = { enable: (index & 1) === 0 }), region.read32(0x44) & ~0x10000));
};
function placed({ enable, depth }, bits) {
  const enabled = enable === undefined ? bits : (bits & ~1) | (enable ? 1 : 0);
  return depth === undefined ? enabled : (enabled & ~0xff00) | (depth << 8);
}

for (const [what, named, byHand] of [
  ["read(), four fields", objectReads, objectReadsByHand],
  ["write({ … }), two fields", objectWrites, objectWritesByHand],
  ["modify({ … }), one field", modifications, modificationsByHand],
]) {
  compareLoops(`named register ${what}, against the same object by hand instead of C`, named, byHand);
}

for (const [what, access] of [
  ["named register read and write", (index) => regs.control.writeRaw(regs.status.readRaw() & index)],
  [
    "named register read(), of which one field is used",
    () => regs.control.writeRaw(regs.control.read().depth + regs.status.read().mode),
  ],
  [
    "field of a named register, read and written",
    (index) => {
      regs.control.fields.depth.write((regs.status.fields.mode.read() + index) & 255);
      regs.narrow.fields.depth.write((regs.narrow.fields.depth.read() + index) & 255);
    },
  ],
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

// 0xdeadbeef: from 2^31 on a number is an object in V8, wherever one function hands it to another.
for (const [what, loop] of [
  ["named register readRaw() used as an integer", (count) => sumOf(count, regs.large.readRaw)],
  ["field of a named register, read()", largeFieldReads],
  ["field of a named register, write()", largeFieldWrites],
]) {
  measure({
    what: `${what}, the register is 0xdeadbeef, heap growth per call over 10 million`,
    unit: "bytes",
    rounds: 1,
    ours: () => heapGrowthOfLoop(TEN_MILLION, loop) / TEN_MILLION,
  });
}
measure({
  what: "four registers of an array in turn, read(), of which one field is used, heap growth per call over a million",
  unit: "bytes",
  rounds: 1,
  ours: () => heapGrowthOfLoop(1_000_000, objectFieldReadsOfFour) / 1_000_000,
});
region.close();
file.close();

function compareLoops(what, ours, other, goal) {
  comparePairs({
    what,
    unit: "ns",
    goal,
    ours: () => nanosecondsPerTurn(COUNT, ours),
    c: () => nanosecondsPerTurn(COUNT, other),
  });
}

function sumOf(count, read) {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + read()) | 0;
  return sum;
}

function largeFieldReads(count) {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + regs.large.fields.mode.read()) | 0;
  return sum;
}

function largeFieldWrites(count) {
  for (let index = 0; index < count; index++) regs.large.fields.mode.write(index & 7);
}
