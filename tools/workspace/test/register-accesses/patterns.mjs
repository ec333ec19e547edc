/**
 * What drivers write, and what a compiler that takes registers for memory makes something else of: each function with
 * the accesses that it asks for, in order. `edu` is 32 and 64 bits wide (0x04 gives back the inverse of what was
 * written there), `testdev` has registers of 8 and 16 bits, of which QEMU shows every byte for itself. Of `rng` it shows
 * accesses of 8, 16 and 32 bits as they are; from 0x40 on its first page is empty: it reads as 0 and keeps nothing.
 * `eduFile` and `rngFile` are the same devices by pread and pwrite. With `interpreted`, no compiler comes near the
 * accesses themselves, so it runs only as V8 starts with it, and as often as said; with `inWorker`, it runs in a worker,
 * on what the first thread shared.
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

export const patterns = [
  {
    what: "a test of the lowest bit",
    run: (edu) => (edu.read32(INVERSE) & 1) === 0,
    accesses: [R(4, INVERSE)],
  },
  {
    what: "a test of bit 15",
    run: (edu) => (edu.read32(INVERSE) & 0x8000) !== 0,
    accesses: [R(4, INVERSE)],
  },
  {
    what: "the lowest byte of a register",
    run: (edu) => edu.read32(INVERSE) & 0xff,
    accesses: [R(4, INVERSE)],
  },
  { what: "a value nobody looks at", run: (edu) => void edu.read32(STATUS), accesses: [R(4, STATUS)] },
  {
    what: "the same register twice",
    run: (edu) => edu.read32(INVERSE) + edu.read32(INVERSE),
    accesses: [R(4, INVERSE), R(4, INVERSE)],
  },
  {
    what: "a register minus itself",
    run: (edu) => edu.read32(INVERSE) - edu.read32(INVERSE),
    accesses: [R(4, INVERSE), R(4, INVERSE)],
  },
  {
    what: "a product with zero",
    run: (edu) => Math.imul(edu.read32(INVERSE), 0),
    accesses: [R(4, INVERSE)],
  },
  {
    what: "the same store twice",
    run: (edu) => {
      edu.write32(INVERSE, 7);
      edu.write32(INVERSE, 7);
    },
    accesses: [W(4, INVERSE, 7), W(4, INVERSE, 7)],
  },
  {
    what: "a store that the next one covers",
    run: (edu) => {
      edu.write32(INVERSE, 1);
      edu.write32(INVERSE, 2);
    },
    accesses: [W(4, INVERSE, 1), W(4, INVERSE, 2)],
  },
  {
    what: "a store, flushed by a read that nobody looks at",
    run: (edu) => {
      edu.write32(INVERSE, 3);
      edu.read32(INVERSE);
    },
    accesses: [W(4, INVERSE, 3), R(4, INVERSE)],
  },
  {
    what: "a read before and behind a store elsewhere",
    run: (edu) => {
      const before = edu.read32(STATUS);
      edu.write32(INVERSE, 4);
      return before === edu.read32(STATUS);
    },
    accesses: [R(4, STATUS), W(4, INVERSE, 4), R(4, STATUS)],
  },
  {
    what: "the value just stored",
    run: (edu) => {
      edu.write32(INVERSE, 5);
      return edu.read32(INVERSE) === 5;
    },
    accesses: [W(4, INVERSE, 5), R(4, INVERSE)],
  },
  {
    what: "a loop that polls a bit",
    run: (edu) => {
      let turns = 0;
      while ((edu.read32(STATUS) & 0x80) === 0 && ++turns < 5);
      return turns;
    },
    accesses: Array.from({ length: 5 }, () => R(4, STATUS)),
  },
  {
    what: "a sum over a register that no turn of the loop changes",
    run: (edu) => {
      let sum = 0;
      for (let turn = 0; turn < 4; turn++) sum += edu.read32(INVERSE);
      return sum;
    },
    accesses: Array.from({ length: 4 }, () => R(4, INVERSE)),
  },
  {
    what: "registers in descending order",
    run: (edu) => edu.read32(STATUS) | edu.read32(INVERSE) | edu.read32(0),
    accesses: [R(4, STATUS), R(4, INVERSE), R(4, 0)],
  },
  {
    what: "a condition that may leave its second half out",
    run: (edu) => (edu.read32(0) & 1) === 2 && edu.read32(STATUS) === 0,
    accesses: [R(4, 0)],
  },
  { what: "a function in a function", run: (edu) => isBusy(edu), accesses: [R(4, STATUS)] },
  {
    what: "a driver's method and getter",
    run: (edu) => {
      if (driver?.bar !== edu) driver = new Driver(edu);
      driver.ring(6);
      return driver.status;
    },
    accesses: [W(4, INVERSE, 6), R(4, STATUS)],
  },
  {
    what: "accessors taken out of their object",
    run: ({ read32, write32 }) => {
      write32(INVERSE, read32(0));
    },
    accesses: [R(4, 0), W(4, INVERSE, 0x010000ed)],
  },
  {
    what: "64 bits",
    run: (edu) => {
      edu.write64(0x80, 0x1234n);
      return (edu.read64(0x80) & 1n) === 0n;
    },
    accesses: [W(8, 0x80, 0x1234), R(8, 0x80)],
  },
  {
    what: "one bit of 8 bits",
    on: "testdev",
    run: (testdev) => (testdev.read8(5) & 1) === 0,
    accesses: [R(1, 5)],
  },
  {
    what: "one bit of 16 bits",
    on: "testdev",
    run: (testdev) => (testdev.read16(6) & 1) === 0,
    accesses: [R(2, 6)],
  },
  {
    what: "neighbours of 8 bits",
    on: "testdev",
    run: (testdev) => testdev.read8(8) | (testdev.read8(9) << 8),
    accesses: [R(1, 8), R(1, 9)],
  },
  {
    what: "stores of 8, 16 and 32 bits to one place",
    on: "rng",
    run: (rng) => {
      rng.write8(EMPTY, 0xa5);
      rng.write16(EMPTY, 0x5aa5);
      rng.write32(EMPTY, 0x12345678);
    },
    accesses: [W(1, EMPTY, 0xa5), W(2, EMPTY, 0x5aa5), W(4, EMPTY, 0x12345678)],
  },
  {
    what: "loads of 8, 16 and 32 bits from one place",
    on: "rng",
    run: (rng) => rng.read8(EMPTY) | (rng.read16(EMPTY) & 0xff) | (rng.read32(EMPTY) & 1),
    accesses: [R(1, EMPTY), R(2, EMPTY), R(4, EMPTY)],
  },
  ...[
    [8, 0xa5],
    [16, 0x5aa5],
  ].map(([bits, value]) => ({
    what: `the same store of ${bits} bits twice, then its neighbour`,
    on: "rng",
    run: new Function(
      "rng",
      `rng.write${bits}(0x40, ${value}); rng.write${bits}(0x40, ${value}); rng.write${bits}(${EMPTY + bits / 8}, 1);`,
    ),
    accesses: [W(bits / 8, EMPTY, value), W(bits / 8, EMPTY, value), W(bits / 8, EMPTY + bits / 8, 1)],
  })),
  ...blocks.flatMap(({ on, width, at, read, write }) => [
    {
      what: `a block of ${width * 8} bits each`,
      on,
      interpreted: FEW,
      run: (bar) => {
        bar.readBlock(at, read);
        bar.writeBlock(at, write);
      },
      accesses: [
        ...times(read.length, (index) => R(width, at + index * width)),
        ...times(write.length, (index) => W(width, at + index * width, Number(write[index]))),
      ],
    },
    {
      what: `a FIFO of ${width * 8} bits`,
      on,
      interpreted: FEW,
      run: (bar) => {
        bar.readFifo(at, read);
        bar.writeFifo(at, write);
      },
      accesses: [
        ...times(read.length, () => R(width, at)),
        ...times(write.length, (index) => W(width, at, Number(write[index]))),
      ],
    },
  ]),
  {
    what: "64 bits as halves",
    interpreted: FEW,
    run: (edu) => {
      edu.writeHalves(SOURCE, 5, 7);
      edu.readHalves(SOURCE, halves);
    },
    accesses: [W(8, SOURCE, 0x7_0000_0005), R(8, SOURCE)],
  },
  {
    what: "a poll for what is there at once, of 8, 16 and 32 bits",
    on: "rng",
    interpreted: FEW,
    run: (rng) =>
      rng.pollMaskSync(EMPTY, 0xff, 0, { width: 8 }) +
      rng.pollMaskSync(EMPTY, 1, 0, { width: 16 }) +
      rng.pollMaskSync(EMPTY, 1, 0),
    accesses: [R(1, EMPTY), R(2, EMPTY), R(4, EMPTY)],
  },
  {
    what: "a poll for what is there at once, of 64 bits",
    interpreted: FEW,
    run: (edu) => {
      edu.write64(SOURCE, 5n);
      return edu.pollMaskSync(SOURCE, 1n, 1n);
    },
    accesses: [W(8, SOURCE, 5), R(8, SOURCE)],
  },
  {
    what: "stores of 8, 16 and 32 bits that are flushed",
    on: "rng",
    run: (rng) => {
      rng.writeFlush8(EMPTY, 1);
      rng.writeFlush16(EMPTY, 2, EMPTY + 2);
      rng.writeFlush32(EMPTY, 3);
    },
    accesses: [
      ...[W(1, EMPTY, 1), R(1, EMPTY)],
      ...[W(2, EMPTY, 2), R(2, EMPTY + 2)],
      ...[W(4, EMPTY, 3), R(4, EMPTY)],
    ],
  },
  {
    what: "a store of 64 bits that is flushed",
    run: (edu) => edu.writeFlush64(SOURCE, 6n),
    accesses: [W(8, SOURCE, 6), R(8, SOURCE)],
  },
  ...[8, 16, 32].map((bits) => ({
    what: `a named register of ${bits} bits: a field of it read, one modified`,
    on: "rng",
    // Closures of one place in the source share their compiled code: this makes a function of its own.
    run: new Function(
      "named",
      `return (rng) => {
        const { r${bits}: register } = named(rng);
        if (register.fields.flag.read()) throw new Error("what is empty has a flag");
        register.modify({ low: 3 });
      };`,
    )(named),
    accesses: [R(bits / 8, EMPTY), R(bits / 8, EMPTY), W(bits / 8, EMPTY, 3)],
  })),
  ...[8, 16, 32].map((bits) => ({
    what: `a named register of ${bits} bits: read for nothing, and for one of its fields`,
    on: "rng",
    run: new Function(
      "named",
      `return (rng) => {
        const { r${bits}: register } = named(rng);
        register.read();
        register.read();
        return register.read().low;
      };`,
    )(named),
    accesses: times(3, () => R(bits / 8, EMPTY)),
  })),
  {
    what: "a named register of 64 bits: written, a field of it read, one modified",
    run: (edu) => {
      const { r64 } = named(edu);
      r64.writeRaw(0n);
      if (r64.fields.flag.read()) throw new Error("what was cleared has a flag");
      r64.modify({ flag: true });
    },
    accesses: [W(8, SOURCE, 0), R(8, SOURCE), R(8, SOURCE), W(8, SOURCE, 2 ** 47)],
  },
  {
    what: "pread and pwrite of 8, 16 and 32 bits",
    on: "rngFile",
    interpreted: FEW,
    run: (rng) => {
      rng.write8(EMPTY, 1);
      rng.write16(EMPTY, 2);
      rng.write32(EMPTY, 3);
      return rng.read8(EMPTY) + rng.read16(EMPTY) + rng.read32(EMPTY);
    },
    accesses: [
      ...[W(1, EMPTY, 1), W(2, EMPTY, 2), W(4, EMPTY, 3)],
      ...[R(1, EMPTY), R(2, EMPTY), R(4, EMPTY)],
    ],
  },
  ...blocks.slice(0, 3).map(({ width, at, read, write }) => ({
    what: `pread and pwrite of a block of ${width * 8} bits each, and of a FIFO`,
    on: "rngFile",
    interpreted: FEW,
    run: (rng) => {
      rng.readBlock(at, read);
      rng.writeFifo(at, write);
    },
    accesses: [
      ...times(read.length, (index) => R(width, at + index * width)),
      ...times(write.length, (index) => W(width, at, write[index])),
    ],
  })),
  {
    what: "pread and pwrite of 32 bits, and a poll",
    on: "eduFile",
    interpreted: FEW,
    run: (edu) => {
      edu.writeFlush32(INVERSE, 9, STATUS);
      return edu.pollMaskSync(0, 0xff, 0xed);
    },
    accesses: [W(4, INVERSE, 9), R(4, STATUS), R(4, 0)],
  },
  {
    what: "32 and 64 bits, in a worker",
    inWorker: true,
    run: (edu) => {
      edu.write32(INVERSE, 8);
      edu.write64(SOURCE, 9n);
      return (edu.read32(STATUS) & 1) === 0 && (edu.read64(SOURCE) & 1n) === 0n;
    },
    accesses: [W(4, INVERSE, 8), W(8, SOURCE, 9), R(4, STATUS), R(8, SOURCE)],
  },
  {
    what: "8 and 16 bits, in a worker",
    on: "rng",
    inWorker: true,
    run: (rng) => {
      rng.write8(EMPTY, 1);
      rng.write16(EMPTY, 2);
      return (rng.read8(EMPTY) & 1) + (rng.read16(EMPTY) & 1);
    },
    accesses: [W(1, EMPTY, 1), W(2, EMPTY, 2), R(1, EMPTY), R(2, EMPTY)],
  },
  {
    what: "pread and pwrite, in a worker",
    on: "rngFile",
    inWorker: true,
    interpreted: FEW,
    run: (rng) => {
      rng.write16(EMPTY, 2);
      return rng.read8(EMPTY);
    },
    accesses: [W(2, EMPTY, 2), R(1, EMPTY)],
  },
];
