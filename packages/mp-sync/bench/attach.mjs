/** Our secondary, to be measured: attach.mjs <socket> <group> <rounds> prints the median for both, in ns. */
import { kernel, useKernel } from "@vfio/ioctl-native";
import { connectToPrimary } from "@vfio/mp-sync";

const [path, group, rounds] = process.argv.slice(2);

// The files that come are no VFIO: each ioctl that asks them is made, and its failure taken for the right answer.
const real = kernel();
useKernel({ ...real, ioctl: (...args) => Math.max(0, real.ioctl(...args)) });

async function attach() {
  const started = performance.now();
  const peer = await connectToPrimary({ path });
  await peer.group(Number(group));
  peer.close();
  return (performance.now() - started) * 1e6;
}

for (let round = 0; round < 3000; round++) await attach();
const took = new Float64Array(Number(rounds));
for (let round = 0; round < took.length; round++) took[round] = await attach();
// Not console.log, which colours numbers where it is told to.
process.stdout.write(String(took.sort()[took.length >> 1]));
