/** A ring of descriptors in DMA memory that lies in a WebAssembly memory, too: compiled code and arrays, against C. */
import { once } from "node:events";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { HugepageMemory } from "@vfio/dma";
import { LinearMemory, systemPageBytes } from "@vfio/ioctl-native";
import { compareAsyncPairs, runC } from "@vfio/test-support/benchmark";
import { compiledLoops, measureRounds, ROUNDS } from "./ring-loop.mjs";

const WORDS = 256 * 4;
const DONE = 1;

const within = new LinearMemory({ bytes: 1 << 20 });
const dmaMemory = HugepageMemory.allocate({ bytes: WORDS * 4, pageBytes: systemPageBytes(), within });
const place = { memory: within.memory, ring: dmaMemory.place.address };
const words = new Int32Array(within.buffer, place.ring, WORDS);
for (let at = 0; at < WORDS; at += 4) words.set([0, 0, 1, DONE], at);

const loops = compiledLoops(place);
const worker = new Worker(path.join(import.meta.dirname, "ring-worker.mjs"), { workerData: place });
const rows = [
  { what: "compiled from AssemblyScript, four a turn", goal: 1, ours: loops.byFour },
  { what: "the same in a worker", goal: 1, ours: inWorker },
  { what: "compiled from AssemblyScript, one a turn", ours: loops.oneByOne },
  { what: "by a typed array", ours: () => measureRounds(byArray) },
];
for (const { what, ours, goal } of rows) {
  await compareAsyncPairs({
    what: `descriptor in DMA memory: test, read, three stores; ${what}`,
    unit: "ns",
    ...(goal === undefined ? {} : { goal }),
    ours,
    c: () => runC(import.meta.dirname, "ring", ROUNDS),
  });
}
await worker.terminate();
dmaMemory.close();

async function inWorker() {
  worker.postMessage(undefined);
  const [nanoseconds] = await once(worker, "message");
  return nanoseconds;
}

function byArray(rounds) {
  let sum = 0;
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < WORDS; at += 4) {
      if ((Atomics.load(words, at + 3) & DONE) === 0) break;
      sum += words[at + 2];
      words[at] = at;
      words[at + 1] = 1;
      words[at + 3] = DONE;
    }
  }
  return sum;
}
