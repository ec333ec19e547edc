/** Our secondary, to be measured: attach.mjs <socket> <rounds> prints nanoseconds for the container and group 7. */
import { connectToPrimary } from "@vfio/mp-sync";

const [path, rounds] = process.argv.slice(2);

async function attach(times) {
  for (let round = 0; round < times; round++) {
    const peer = await connectToPrimary({ path });
    await peer.group(7);
    peer.close();
  }
}

await attach(3000);
const started = process.hrtime.bigint();
await attach(Number(rounds));
console.log(Number(process.hrtime.bigint() - started) / Number(rounds));
