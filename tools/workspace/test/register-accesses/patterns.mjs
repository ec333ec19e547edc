/**
 * What drivers write, and what a compiler that takes registers for memory makes something else of: each function with
 * the accesses that it asks for, in order. `edu` is 32 and 64 bits wide (0x04 gives back the inverse of what was
 * written there), `testdev` has registers of 8 and 16 bits.
 */

const R = (width, offset) => ({ kind: "read", width, offset });
const W = (width, offset, value) => ({ kind: "write", width, offset, value });
const INVERSE = 0x04;
const STATUS = 0x20;

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
];
