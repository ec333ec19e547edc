/** Three functions that read registers, compiled by V8's last compiler; run with --print-opt-code to see the result. */
import { createMemoryFile, Mapping } from "@vfio/ioctl-native";

const optimize = new Function(
  "run",
  "%PrepareFunctionForOptimization(run); run(); %OptimizeFunctionOnNextCall(run); run()",
);
const warmUp = 1000;

const file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
const { registers } = Mapping.map({ file, bytes: 4096, name: "registers" });

function bitTest() {
  return (registers.read32(4) & 1) === 0;
}
function discarded() {
  registers.read32(8);
}
function twice() {
  return registers.read32(4) - registers.read32(4);
}

for (const run of [bitTest, discarded, twice]) {
  for (let round = 0; round < warmUp; round++) run();
  optimize(run);
}
