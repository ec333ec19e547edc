/** What a hot loop does with DMA memory: no device is needed, so this runs on the host. */
import { DmaBuffer, DmaPool, IovaTable } from "@vfio/dma";
import {
  heapGrowth,
  measure,
  nanosecondsPerCall,
  nanosecondsPerTurn,
} from "../../../tools/workspace/src/pairs.js";

const TWO_MIB = 2 << 20;
const COUNT = 10_000_000;
const BLOCKS = 1024;

const segments = Array.from({ length: 32 }, (_, index) => ({
  offset: index * TWO_MIB,
  iova: 0x1_0000_0000n + BigInt(((index * 7) % 32) * TWO_MIB),
  bytes: TWO_MIB,
}));
const table = new IovaTable(segments);
const place = {
  memory: { buffer: new ArrayBuffer(TWO_MIB) },
  table,
  offset: 0,
  bytes: TWO_MIB,
  release() {},
};
const pool = new DmaPool(new DmaBuffer(place), BLOCKS, TWO_MIB / BLOCKS);

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

measure({
  what: "pool alloc + free",
  unit: "ns",
  goal: 30,
  ours: () => nanosecondsPerCall(COUNT, allocAndFree),
});
measure({
  what: "pool alloc + free, heap growth over 10 million",
  unit: "bytes",
  goal: 65536,
  rounds: 3,
  ours: () => heapGrowth(COUNT, allocAndFree),
});
measure({
  what: "offset → IOVA, lower half",
  unit: "ns",
  goal: 5,
  ours: () => nanosecondsPerTurn(COUNT, lowerHalves),
});
measure({
  what: "offset → IOVA, both halves",
  unit: "ns",
  goal: 10,
  ours: () => nanosecondsPerTurn(COUNT, bothHalves),
});
measure({
  what: "offset → IOVA, heap growth over 10 million",
  unit: "bytes",
  goal: 65536,
  rounds: 3,
  ours: () =>
    heapGrowth(COUNT, (index) => table.iovaLow(offsetOf(index), 2048) + table.iovaHigh(offsetOf(index))),
});
