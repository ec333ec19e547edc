// A guest of a DPDK primary that tells each step, and then waits to be killed: dpdk-guest.mjs <BDF> <prefix>
import { setInterval } from "node:timers";
import { Mapping } from "@vfio/ioctl-native";
import { joinDpdkPrimary } from "@vfio/mp-sync";
import { readRegionInfo } from "@vfio/pci-bar";
import { Group, iommuGroupOf } from "@vfio/vfio-core";

const [bdf, prefix] = process.argv.slice(2);
const primary = await joinDpdkPrimary({ prefix });
console.log("joined");
await primary.container();
console.log("container");
const group = Group.from(await primary.group(iommuGroupOf(bdf)));
console.log("group");
const device = group.openDevice(bdf);
console.log("device");
const { bytes, fileOffset } = readRegionInfo(device, 0);
const bar0 = Mapping.map({ file: device, bytes, offset: fileOffset, writable: false, name: "BAR0" });
console.log(`mapped ${bar0.bytes}`);
setInterval(() => bar0.registers.read32(8), 10);
