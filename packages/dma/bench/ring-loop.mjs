/** The descriptor loops of ring.as.ts on a ring in a WebAssembly memory, in whichever thread. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { nanosecondsPerTurn } from "@vfio/test-support/benchmark";

const SLOTS = 256;
export const ROUNDS = 40_000;

/**
 * What a loop takes for a descriptor, in nanoseconds, each time this is called.
 * @param {(rounds: number) => number} loop tells how many descriptors were done.
 */
export function measureRounds(loop) {
  return nanosecondsPerTurn(ROUNDS * SLOTS, (count) => {
    if (loop(ROUNDS) !== count) throw new Error("a descriptor of the ring was not done");
  });
}

/** @param {{ memory: object, ring: number }} place */
export function compiledLoops({ memory, ring }) {
  const module = new WebAssembly.Module(readFileSync(path.join(import.meta.dirname, "build/ring.wasm")));
  const { byFour, oneByOne } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  return {
    byFour: () => measureRounds((rounds) => byFour(ring, rounds)),
    oneByOne: () => measureRounds((rounds) => oneByOne(ring, rounds)),
  };
}
