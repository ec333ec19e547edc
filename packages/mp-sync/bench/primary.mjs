/** Our primary, to be measured: primary.mjs <socket> <container file> <group file> <group number>. */
import { openFile } from "@vfio/ioctl-native";
import { FdServer } from "@vfio/mp-sync";

const [path, container, group, number] = process.argv.slice(2);
await FdServer.listen({
  path,
  container: openFile(container),
  groups: [Object.assign(openFile(group), { number: Number(number) })],
  timeoutMs: 600_000,
});
console.log("ready");
