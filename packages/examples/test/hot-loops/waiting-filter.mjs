/** A thread that judges what is in a ring each time that a word of the memory has changed, until the word is -1. */
import { parentPort, workerData } from "node:worker_threads";

const { code, memory, word, ring } = workerData;
const filter = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } }).exports;
const words = new Int32Array(memory.buffer);
for (let seen = 0, first = 0; ;) {
  Atomics.wait(words, word, seen);
  seen = Atomics.load(words, word);
  if (seen === -1) break;
  const taken = filter.filterRing(ring.descriptors, ring.slots, ring.blocks, ring.ports, first);
  first = (first + taken) % ring.slots;
  parentPort.postMessage(taken);
}
