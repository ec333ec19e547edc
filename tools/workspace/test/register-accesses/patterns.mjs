/**
 * What drivers write, and what a compiler that takes registers for memory makes something else of: each function with
 * the accesses that it asks for, in order. `edu` is 32 and 64 bits wide (0x04 gives back the inverse of what was
 * written there), `testdev` has registers of 8 and 16 bits, of which QEMU shows every byte for itself. Of `rng` it shows
 * accesses of 8, 16 and 32 bits as they are; from 0x40 on its first page is empty: it reads as 0 and keeps nothing.
 * `eduFile` and `rngFile` are the same devices by pread and pwrite; `plain` is `edu` as a plain typed array, and what V8
 * makes of that must not pass. With `interpreted`, no compiler comes near the accesses themselves, so it runs only as V8
 * starts with it, and as often as said; with `inWorker`, it runs in a worker, on what the first thread shared.
 */
import { defineRegisters } from "@vfio/pci-bar";

const R = (width, offset) => ({ kind: "read", width, offset });
const W = (width, offset, value) => ({ kind: "write", width, offset, value });
const INVERSE = 0x04;
const STATUS = 0x20;
/** The source address of edu's DMA engine, and its destination behind it: 64 bits each. */
const SOURCE = 0x80;
const EMPTY = 0x40;
const FEW = 20;
const times = (count, access) => Array.from({ length: count }, (_, index) => access(index));
const halves = new Uint32Array(2);
/** What is read and written as a block, for each width in bytes. */
const blocks = [
  { on: "rng", width: 1, at: EMPTY, read: new Uint8Array(5), write: Uint8Array.of(1, 2, 3, 4, 5) },
  { on: "rng", width: 2, at: EMPTY, read: new Uint16Array(3), write: Uint16Array.of(1, 2, 0x1234) },
  { on: "rng", width: 4, at: EMPTY, read: new Uint32Array(3), write: Uint32Array.of(1, 2, 0x12345678) },
  { on: "edu", width: 8, at: SOURCE, read: new BigUint64Array(2), write: BigUint64Array.of(1n, 2n) },
];
const REGISTERS = defineRegisters({
  r8: { offset: EMPTY, width: 8, fields: { low: { bits: [2, 0] }, flag: { bit: 7 } } },
  r16: { offset: EMPTY, width: 16, fields: { low: { bits: [2, 0] }, flag: { bit: 15 } } },
  r32: { offset: EMPTY, width: 32, fields: { low: { bits: [2, 0] }, flag: { bit: 31 } } },
  r64: { offset: SOURCE, width: 64, fields: { low: { bits: [2, 0] }, flag: { bit: 47 } } },
});
const bound = new Map();
function named(bar) {
  if (!bound.has(bar)) bound.set(bar, REGISTERS.on(bar));
  return bound.get(bar);
}

const statusOf = (bar) => bar.read32(STATUS);
const isBusy = (bar) => (statusOf(bar) & 0x80) !== 0;
class Driver {
  constructor(bar) {
    this.bar = bar;
  }
  get status() {
    return this.bar.read32(STATUS);
  }
  ring(value) {
    this.bar.write32(INVERSE, value);
  }
}
let driver;

/** What it is called, the accesses that it asks for, and the function that makes them. */
function pattern(what, accesses, run) {
  return { what, accesses, run };
}

/** The same on another device than `edu`, interpreted only, or in a worker. */
function patternWith(options, ...rest) {
  return { ...options, ...pattern(...rest) };
}

export const patterns = [
  pattern("a test of the lowest bit", [R(4, INVERSE)], (edu) => (edu.read32(INVERSE) & 1) === 0),
  pattern("a test of bit 15", [R(4, INVERSE)], (edu) => (edu.read32(INVERSE) & 0x8000) !== 0),
  pattern("the lowest byte of a register", [R(4, INVERSE)], (edu) => edu.read32(INVERSE) & 0xff),
  pattern("a value nobody looks at", [R(4, STATUS)], (edu) => void edu.read32(STATUS)),
  pattern(
    "the same register twice",
    [R(4, INVERSE), R(4, INVERSE)],
    (edu) => edu.read32(INVERSE) + edu.read32(INVERSE),
  ),
  pattern(
    "a register minus itself",
    [R(4, INVERSE), R(4, INVERSE)],
    (edu) => edu.read32(INVERSE) - edu.read32(INVERSE),
  ),
  pattern("a product with zero", [R(4, INVERSE)], (edu) => Math.imul(edu.read32(INVERSE), 0)),
  pattern("the same store twice", [W(4, INVERSE, 7), W(4, INVERSE, 7)], (edu) => {
    edu.write32(INVERSE, 7);
    edu.write32(INVERSE, 7);
  }),
  pattern("a store that the next one covers", [W(4, INVERSE, 1), W(4, INVERSE, 2)], (edu) => {
    edu.write32(INVERSE, 1);
    edu.write32(INVERSE, 2);
  }),
  pattern("a store, flushed by a read that nobody looks at", [W(4, INVERSE, 3), R(4, INVERSE)], (edu) => {
    edu.write32(INVERSE, 3);
    edu.read32(INVERSE);
  }),
  pattern(
    "a read before and behind a store elsewhere",
    [R(4, STATUS), W(4, INVERSE, 4), R(4, STATUS)],
    (edu) => {
      const before = edu.read32(STATUS);
      edu.write32(INVERSE, 4);
      return before === edu.read32(STATUS);
    },
  ),
  pattern("the value just stored", [W(4, INVERSE, 5), R(4, INVERSE)], (edu) => {
    edu.write32(INVERSE, 5);
    return edu.read32(INVERSE) === 5;
  }),
  pattern(
    "a loop that polls a bit",
    times(5, () => R(4, STATUS)),
    (edu) => {
      let turns = 0;
      while ((edu.read32(STATUS) & 0x80) === 0 && ++turns < 5);
      return turns;
    },
  ),
  pattern(
    "a sum over a register that no turn of the loop changes",
    times(4, () => R(4, INVERSE)),
    (edu) => {
      let sum = 0;
      for (let turn = 0; turn < 4; turn++) sum += edu.read32(INVERSE);
      return sum;
    },
  ),
  pattern(
    "registers in descending order",
    [R(4, STATUS), R(4, INVERSE), R(4, 0)],
    (edu) => edu.read32(STATUS) | edu.read32(INVERSE) | edu.read32(0),
  ),
  pattern(
    "a condition that may leave its second half out",
    [R(4, 0)],
    (edu) => (edu.read32(0) & 1) === 2 && edu.read32(STATUS) === 0,
  ),
  pattern("a function in a function", [R(4, STATUS)], (edu) => isBusy(edu)),
  pattern("a driver's method and getter", [W(4, INVERSE, 6), R(4, STATUS)], (edu) => {
    if (driver?.bar !== edu) driver = new Driver(edu);
    driver.ring(6);
    return driver.status;
  }),
  pattern(
    "accessors taken out of their object",
    [R(4, 0), W(4, INVERSE, 0x010000ed)],
    ({ read32, write32 }) => {
      write32(INVERSE, read32(0));
    },
  ),
  pattern("64 bits", [W(8, 0x80, 0x1234), R(8, 0x80)], (edu) => {
    edu.write64(0x80, 0x1234n);
    return (edu.read64(0x80) & 1n) === 0n;
  }),
  patternWith({ on: "testdev" }, "one bit of 8 bits", [R(1, 5)], (testdev) => (testdev.read8(5) & 1) === 0),
  patternWith({ on: "testdev" }, "one bit of 16 bits", [R(2, 6)], (testdev) => (testdev.read16(6) & 1) === 0),
  patternWith(
    { on: "testdev" },
    "neighbours of 8 bits",
    [R(1, 8), R(1, 9)],
    (testdev) => testdev.read8(8) | (testdev.read8(9) << 8),
  ),
  patternWith(
    { on: "rng" },
    "stores of 8, 16 and 32 bits to one place",
    [W(1, EMPTY, 0xa5), W(2, EMPTY, 0x5aa5), W(4, EMPTY, 0x12345678)],
    (rng) => {
      rng.write8(EMPTY, 0xa5);
      rng.write16(EMPTY, 0x5aa5);
      rng.write32(EMPTY, 0x12345678);
    },
  ),
  patternWith(
    { on: "rng" },
    "loads of 8, 16 and 32 bits from one place",
    [R(1, EMPTY), R(2, EMPTY), R(4, EMPTY)],
    (rng) => rng.read8(EMPTY) | (rng.read16(EMPTY) & 0xff) | (rng.read32(EMPTY) & 1),
  ),
  ...[
    [8, 0xa5],
    [16, 0x5aa5],
  ].map(([bits, value]) =>
    patternWith(
      { on: "rng" },
      `the same store of ${bits} bits twice, then its neighbour`,
      [W(bits / 8, EMPTY, value), W(bits / 8, EMPTY, value), W(bits / 8, EMPTY + bits / 8, 1)],
      new Function(
        "rng",
        `rng.write${bits}(0x40, ${value}); rng.write${bits}(0x40, ${value}); rng.write${bits}(${EMPTY + bits / 8}, 1);`,
      ),
    ),
  ),
  ...blocks.flatMap(({ on, width, at, read, write }) => [
    patternWith(
      { on, interpreted: FEW },
      `a block of ${width * 8} bits each`,
      [
        ...times(read.length, (index) => R(width, at + index * width)),
        ...times(write.length, (index) => W(width, at + index * width, Number(write[index]))),
      ],
      (bar) => {
        bar.readBlock(at, read);
        bar.writeBlock(at, write);
      },
    ),
    patternWith(
      { on, interpreted: FEW },
      `a FIFO of ${width * 8} bits`,
      [
        ...times(read.length, () => R(width, at)),
        ...times(write.length, (index) => W(width, at, Number(write[index]))),
      ],
      (bar) => {
        bar.readFifo(at, read);
        bar.writeFifo(at, write);
      },
    ),
  ]),
  patternWith(
    { interpreted: FEW },
    "64 bits as halves",
    [W(8, SOURCE, 0x7_0000_0005), R(8, SOURCE)],
    (edu) => {
      edu.writeHalves(SOURCE, 5, 7);
      edu.readHalves(SOURCE, halves);
    },
  ),
  patternWith(
    { on: "rng", interpreted: FEW },
    "a poll for what is there at once, of 8, 16 and 32 bits",
    [R(1, EMPTY), R(2, EMPTY), R(4, EMPTY)],
    (rng) =>
      rng.pollMaskSync(EMPTY, 0xff, 0, { width: 8 }) +
      rng.pollMaskSync(EMPTY, 1, 0, { width: 16 }) +
      rng.pollMaskSync(EMPTY, 1, 0),
  ),
  patternWith(
    { interpreted: FEW },
    "a poll for what is there at once, of 64 bits",
    [W(8, SOURCE, 5), R(8, SOURCE)],
    (edu) => {
      edu.write64(SOURCE, 5n);
      return edu.pollMaskSync(SOURCE, 1n, 1n);
    },
  ),
  patternWith(
    { on: "rng" },
    "stores of 8, 16 and 32 bits that are flushed",
    [
      ...[W(1, EMPTY, 1), R(1, EMPTY)],
      ...[W(2, EMPTY, 2), R(2, EMPTY + 2)],
      ...[W(4, EMPTY, 3), R(4, EMPTY)],
    ],
    (rng) => {
      rng.writeFlush8(EMPTY, 1);
      rng.writeFlush16(EMPTY, 2, EMPTY + 2);
      rng.writeFlush32(EMPTY, 3);
    },
  ),
  pattern("a store of 64 bits that is flushed", [W(8, SOURCE, 6), R(8, SOURCE)], (edu) =>
    edu.writeFlush64(SOURCE, 6n),
  ),
  ...[8, 16, 32].map((bits) =>
    patternWith(
      { on: "rng" },
      `a named register of ${bits} bits: a field of it read, one modified`,
      [R(bits / 8, EMPTY), R(bits / 8, EMPTY), W(bits / 8, EMPTY, 3)], // Closures of one place in the source share their compiled code: this makes a function of its own.
      new Function(
        "named",
        `return (rng) => {
        const { r${bits}: register } = named(rng);
        if (register.fields.flag.read()) throw new Error("what is empty has a flag");
        register.modify({ low: 3 });
      };`,
      )(named),
    ),
  ),
  ...[8, 16, 32].map((bits) =>
    patternWith(
      { on: "rng" },
      `a named register of ${bits} bits: read for nothing, and for one of its fields`,
      times(3, () => R(bits / 8, EMPTY)),
      new Function(
        "named",
        `return (rng) => {
        const { r${bits}: register } = named(rng);
        register.read();
        register.read();
        return register.read().low;
      };`,
      )(named),
    ),
  ),
  pattern(
    "a named register of 64 bits: written, a field of it read, one modified",
    [W(8, SOURCE, 0), R(8, SOURCE), R(8, SOURCE), W(8, SOURCE, 2 ** 47)],
    (edu) => {
      const { r64 } = named(edu);
      r64.writeRaw(0n);
      if (r64.fields.flag.read()) throw new Error("what was cleared has a flag");
      r64.modify({ flag: true });
    },
  ),
  patternWith(
    { on: "rngFile", interpreted: FEW },
    "pread and pwrite of 8, 16 and 32 bits",
    [...[W(1, EMPTY, 1), W(2, EMPTY, 2), W(4, EMPTY, 3)], ...[R(1, EMPTY), R(2, EMPTY), R(4, EMPTY)]],
    (rng) => {
      rng.write8(EMPTY, 1);
      rng.write16(EMPTY, 2);
      rng.write32(EMPTY, 3);
      return rng.read8(EMPTY) + rng.read16(EMPTY) + rng.read32(EMPTY);
    },
  ),
  ...blocks.slice(0, 3).map(({ width, at, read, write }) =>
    patternWith(
      { on: "rngFile", interpreted: FEW },
      `pread and pwrite of a block of ${width * 8} bits each, and of a FIFO`,
      [
        ...times(read.length, (index) => R(width, at + index * width)),
        ...times(write.length, (index) => W(width, at, write[index])),
      ],
      (rng) => {
        rng.readBlock(at, read);
        rng.writeFifo(at, write);
      },
    ),
  ),
  patternWith(
    { on: "eduFile", interpreted: FEW },
    "pread and pwrite of 32 bits, and a poll",
    [W(4, INVERSE, 9), R(4, STATUS), R(4, 0)],
    (edu) => {
      edu.writeFlush32(INVERSE, 9, STATUS);
      return edu.pollMaskSync(0, 0xff, 0xed);
    },
  ),
  patternWith(
    { on: "plain" },
    "a value nobody looks at",
    [R(4, STATUS)],
    (plain) => void plain.read32(STATUS),
  ),
  patternWith({ on: "plain" }, "a product with zero", [R(4, INVERSE)], (plain) =>
    Math.imul(plain.read32(INVERSE), 0),
  ),
  patternWith(
    { inWorker: true },
    "32 and 64 bits, in a worker",
    [W(4, INVERSE, 8), W(8, SOURCE, 9), R(4, STATUS), R(8, SOURCE)],
    (edu) => {
      edu.write32(INVERSE, 8);
      edu.write64(SOURCE, 9n);
      return (edu.read32(STATUS) & 1) === 0 && (edu.read64(SOURCE) & 1n) === 0n;
    },
  ),
  patternWith(
    { on: "rng", inWorker: true },
    "8 and 16 bits, in a worker",
    [W(1, EMPTY, 1), W(2, EMPTY, 2), R(1, EMPTY), R(2, EMPTY)],
    (rng) => {
      rng.write8(EMPTY, 1);
      rng.write16(EMPTY, 2);
      return (rng.read8(EMPTY) & 1) + (rng.read16(EMPTY) & 1);
    },
  ),
  patternWith(
    { on: "rngFile", inWorker: true, interpreted: FEW },
    "pread and pwrite, in a worker",
    [W(2, EMPTY, 2), R(1, EMPTY)],
    (rng) => {
      rng.write16(EMPTY, 2);
      return rng.read8(EMPTY);
    },
  ),
];
