/** What a hot loop does with DMA memory: no device is needed, so this runs on the host. */
import { DmaPool, IovaTable, loadAcquire } from "@vfio/dma";
import {
  comparePairs,
  heapGrowth,
  measure,
  nanosecondsPerCall,
  nanosecondsPerTurn,
} from "@vfio/test-support/benchmark";

const TWO_MIB = 2 << 20;
const COUNT = 10_000_000;
const BLOCKS = 1024;

/** Pieces of 2 MiB, scattered so that none follows the one before. */
const scattered = (count) =>
  new IovaTable(
    Array.from({ length: count }, (_, index) => ({
      offset: index * TWO_MIB,
      iova: 0x1_0000_0000n + BigInt(((index * 7) % count) * TWO_MIB),
      bytes: TWO_MIB,
    })),
  );
const table = scattered(32);
const large = scattered(4096);
const place = {
  memory: { buffer: new ArrayBuffer(TWO_MIB) },
  table,
  offset: 0,
  bytes: TWO_MIB,
  release() {},
};
const pool = new DmaPool(place, BLOCKS, TWO_MIB / BLOCKS);

const allocAndFree = () => pool.free(pool.alloc());
/** Every base page of the memory in turn; a modulo would cost more than what is measured. */
const offsetOf = (index) => (index & (32 * 512 - 1)) * 4096;
const lowerHalves = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + table.iovaLow(offsetOf(index), 2048)) | 0;
  return sum;
};
const bothHalves = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) {
    const offset = offsetOf(index);
    sum = (sum + table.iovaLow(offset, 2048) + table.iovaHigh(offset, 2048)) | 0;
  }
  return sum;
};
const ring = new Uint32Array(256 * 4);
/** As a driver fills a ring of descriptors of 16 bytes, each with the address first. */
const descriptors = (count) => {
  for (let index = 0; index < count; index++) table.iovaInto(ring, (index & 255) * 4, offsetOf(index), 2048);
  return ring[0];
};
/** Up to 8 GiB, where offsets do not fit into 32 bits. */
const descriptorsOfLarge = (count) => {
  for (let index = 0; index < count; index++)
    large.iovaInto(ring, (index & 255) * 4, (index & (4096 * 512 - 1)) * 4096, 2048);
  return ring[0];
};
const bigints = (count) => {
  let last = 0n;
  for (let index = 0; index < count; index++) last = table.iovaOf(offsetOf(index), 2048);
  return last;
};

/** Addresses as a device reports them back, of 500 stretches in no order; their number is a power of two. */
const stretches = scattered(500);
const reported = Uint32Array.from({ length: 2048 }, (_, index) => ((index * 7919) % 500) * TWO_MIB + 64);
const offsets = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++)
    sum = (sum + stretches.offsetOfHalves(reported[index & 2047], 1, 2048)) | 0;
  return sum;
};
const reportedBigints = Array.from(reported, (low) => 0x1_0000_0000n + BigInt(low));
const offsetsOfBigints = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++)
    sum = (sum + stretches.offsetOf(reportedBigints[index & 2047], 2048)) | 0;
  return sum;
};
const blocks = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++)
    sum = (sum + pool.blockAt((index & (BLOCKS - 1)) * 2048 + 64, 1)) | 0;
  return sum;
};

const written = new Int32Array(1024);
const polled = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + loadAcquire(written, index & 1023)) | 0;
  return sum;
};
const polledByHand = (count) => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum = (sum + Atomics.load(written, index & 1023)) | 0;
  return sum;
};

/** @param {string} what @param {(count: number) => unknown} loop @param {number} [goal] in nanoseconds */
const time = (what, loop, goal) =>
  measure({ what, unit: "ns", goal, ours: () => nanosecondsPerTurn(COUNT, loop) });
/** @param {string} what @param {(index: number) => unknown} call */
const garbage = (what, call) =>
  measure({
    what: `${what}, heap growth over 10 million`,
    unit: "bytes",
    goal: 65536,
    rounds: 3,
    ours: () => heapGrowth(COUNT, call),
  });

measure({
  what: "pool alloc + free",
  unit: "ns",
  goal: 30,
  ours: () => nanosecondsPerCall(COUNT, allocAndFree),
});
garbage("pool alloc + free", allocAndFree);
time("offset → IOVA, lower half", lowerHalves, 5);
time("offset → IOVA, both halves", bothHalves, 5);
time("offset → IOVA, both halves into a descriptor", descriptors, 5);
time("offset → IOVA, both halves into a descriptor, in 8 GiB", descriptorsOfLarge);
time("offset → IOVA, as a bigint", bigints);
garbage("offset → IOVA", (index) => {
  const offset = offsetOf(index);
  table.iovaInto(ring, (index & 255) * 4, offset, 2048);
  return table.iovaLow(offset, 2048) + table.iovaHigh(offset);
});
time("IOVA → offset, from halves, in 500 stretches", offsets);
time("IOVA → offset, from a bigint, in 500 stretches", offsetsOfBigints);
garbage("IOVA → offset", (index) => stretches.offsetOfHalves(reported[index & 2047], 1, 2048));
time("IOVA → block of a pool", blocks);
garbage("IOVA → block of a pool", (index) => pool.blockAt((index & (BLOCKS - 1)) * 2048 + 64, 1));
comparePairs({
  what: "word that a device writes, loadAcquire (against Atomics.load)",
  unit: "ns",
  goal: 1.03,
  ours: () => nanosecondsPerTurn(COUNT, polled),
  c: () => nanosecondsPerTurn(COUNT, polledByHand),
});
