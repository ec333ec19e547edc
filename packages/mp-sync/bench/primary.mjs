/** Our primary, to be measured: primary.mjs <socket> <container file> <group file>, until its standard input ends. */
import { openFile } from "@vfio/ioctl-native";
import { FdServer } from "@vfio/mp-sync";

const [path, container, group] = process.argv.slice(2);
const server = await FdServer.listen({
  path,
  container: openFile(container),
  groups: [Object.assign(openFile(group), { number: 7 })],
  timeoutMs: 600_000,
});
console.log("ready");
process.stdin.on("end", () => server.close()).resume();
