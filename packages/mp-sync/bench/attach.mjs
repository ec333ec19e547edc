/** Our secondary, to be measured: attach.mjs <socket> <group> <rounds> prints nanoseconds for container and group. */
import { kernel, useKernel } from "@vfio/ioctl-native";
import { connectToPrimary } from "@vfio/mp-sync";

const [path, group, rounds] = process.argv.slice(2);

// The files that come are no VFIO: each ioctl that asks them is made, and its failure taken for the right answer.
const real = kernel();
useKernel({ ...real, ioctl: (...args) => Math.max(0, real.ioctl(...args)) });

async function attach(times) {
  for (let round = 0; round < times; round++) {
    const peer = await connectToPrimary({ path });
    await peer.group(Number(group));
    peer.close();
  }
}

await attach(3000);
const started = process.hrtime.bigint();
await attach(Number(rounds));
console.log(Number(process.hrtime.bigint() - started) / Number(rounds));
