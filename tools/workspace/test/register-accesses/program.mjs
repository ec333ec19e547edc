/**
 * Runs every pattern on the lab's devices: as V8 starts with it first, then compiled by each optimizing compiler that
 * this Node.js has. The devices' side of it is in QEMU's log; there, a marker written to `edu` stands before each
 * pattern. The patterns for a worker come last; it runs this program, too. Needs --allow-natives-syntax. Prints, as JSON,
 * the states that the code was in, and how often each pattern ran.
 */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { LinearMemory } from "@vfio/ioctl-native";
import { OpenRegion, PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";
import { patterns } from "./patterns.mjs";
import { MARKER, ROUNDS } from "./rounds.mjs";

// V8's intrinsics are no JavaScript that a linter could read.
const prepare = new Function("run", "%PrepareFunctionForOptimization(run)");
const deoptimize = new Function("run", "%DeoptimizeFunction(run)");
const hasMaglev = new Function("return %IsMaglevEnabled()")();
const optimize = {
  maglev: new Function("run", "%OptimizeMaglevOnNextCall(run)"),
  turbofan: new Function("run", "%OptimizeFunctionOnNextCall(run)"),
};
const isIn = {
  maglev: new Function("run", "return %ActiveTierIsMaglev(run)"),
  turbofan: new Function("run", "return %ActiveTierIsTurbofan(run)"),
};
const compilers = hasMaglev ? ["maglev", "turbofan"] : ["turbofan"];
/** Now and then a collection of garbage takes compiled code away while it runs, or V8 compiles it anew by itself. */
const ATTEMPTS = 10;

if (isMainThread) {
  const { plain, ...bars } = openBars();
  const rounds = runPatterns({ ...bars, plain });
  const shared = Object.entries(bars).map(([name, bar]) => [name, bar.share()]);
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: shared });
  worker.on("error", (error) => {
    throw error;
  });
  worker.on("message", (itsRounds) => Object.assign(rounds, itsRounds));
  worker.on("exit", () => {
    bars.edu.write32(0x04, MARKER + patterns.length);
    console.log(JSON.stringify({ version: process.versions.node, states: ["start", ...compilers], rounds }));
  });
} else {
  const bars = workerData.map(([name, shared]) => [name, OpenRegion.fromShared(shared)]);
  parentPort.postMessage(runPatterns(Object.fromEntries(bars)));
}

/** How often each pattern of this thread ran, by its index. */
function runPatterns(bars) {
  const rounds = {};
  patterns.forEach(({ what, run, on = "edu", interpreted, inWorker = false }, index) => {
    if (inWorker === isMainThread) return;
    bars.edu.write32(0x04, MARKER + index);
    if (interpreted === undefined) prepare(run);
    rounds[index] = repeat(run, bars[on], interpreted ?? ROUNDS);
    for (const compiler of interpreted === undefined ? compilers : [])
      rounds[index] += runCompiled(compiler, what, run, bars[on]);
  });
  return rounds;
}

/** Runs a pattern until its code was that compiler's from the first round to the last. */
function runCompiled(compiler, what, run, bar) {
  let rounds = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // What another compiler has made already would stay.
    deoptimize(run);
    optimize[compiler](run);
    rounds += repeat(run, bar, ROUNDS);
    if (isIn[compiler](run)) return rounds;
  }
  throw new Error(`${what} is not compiled by ${compiler}`);
}

function repeat(run, bar, times) {
  for (let round = 0; round < times; round++) run(bar);
  return times;
}

function openBars() {
  const container = Container.open();
  const bar = (bdf, index) => {
    const device = container.addGroup(iommuGroupOf(bdf)).openDevice(bdf);
    return { device, region: new PciDevice(device).bar(index) };
  };
  const edu = bar("0000:00:10.0", 0);
  const rng = bar("0000:03:00.0", 4);
  return {
    edu: edu.region.map(),
    testdev: bar("0000:00:14.0", 0).region.map(),
    rng: rng.region.map(),
    eduFile: byFile(edu),
    rngFile: byFile(rng),
    plain: asPlainArray(edu),
  };
}

/** A region as nobody may use it: V8 takes it for memory. */
function asPlainArray({ region }) {
  const memory = new LinearMemory({ bytes: 2 ** 22 });
  const [{ place }] = region.open({ within: memory }).windows;
  const words = new Uint32Array(memory.buffer, place.address, region.bytes / 4);
  return { read32: (offset) => words[offset >>> 2] };
}

/** A region that could be mapped, by pread and pwrite all the same. */
function byFile({ device, region: { index, name, bytes, info } }) {
  const file = { device, offset: info.fileOffset };
  return new OpenRegion({ index, name, bytes, writable: info.writable, windows: [], file });
}
