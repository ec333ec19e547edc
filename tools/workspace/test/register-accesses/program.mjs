/**
 * Runs every pattern on the lab's devices: as V8 starts with it first, then compiled by each optimizing compiler that
 * this Node.js has. The devices' side of it is in QEMU's log; there, a marker written to `edu` stands before each
 * pattern. Needs --allow-natives-syntax. Prints, as JSON, the states that the code was in.
 */
import { PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";
import { patterns } from "./patterns.mjs";
import { MARKER, ROUNDS } from "./rounds.mjs";

// V8's intrinsics are no JavaScript that a linter could read.
const prepare = new Function("run", "%PrepareFunctionForOptimization(run)");
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

const container = Container.open();
const bars = { edu: mapBar("0000:00:10.0"), testdev: mapBar("0000:00:14.0") };

patterns.forEach(({ what, run, on = "edu" }, index) => {
  bars.edu.write32(0x04, MARKER + index);
  prepare(run);
  for (let round = 0; round < ROUNDS; round++) run(bars[on]);
  for (const compiler of compilers) {
    optimize[compiler](run);
    for (let round = 0; round < ROUNDS; round++) run(bars[on]);
    if (!isIn[compiler](run)) throw new Error(`${what} is not compiled by ${compiler}`);
  }
});
bars.edu.write32(0x04, MARKER + patterns.length);
console.log(JSON.stringify({ version: process.versions.node, states: ["start", ...compilers] }));

function mapBar(bdf) {
  const device = container.addGroup(iommuGroupOf(bdf)).openDevice(bdf);
  return new PciDevice(device).bar(0).map();
}
