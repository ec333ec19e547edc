// Uses a BAR as ever in a process that may be able to have no WebAssembly memory; prints what it saw as JSON.
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { LinearMemory } from "@vfio/ioctl-native";
import { PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";

function outcomeOfMemory() {
  try {
    return { made: new LinearMemory({ bytes: 2 ** 32 }).bytes };
  } catch ({ code }) {
    return code;
  }
}

const [, , bdf] = process.argv;
const container = Container.open();
const bar = new PciDevice(container.addGroup(iommuGroupOf(bdf)).openDevice(bdf)).bar(0).open();
bar.write32(4, 5);
bar.write32(8, 5);
while ((bar.read32(0x20) & 1) !== 0) await sleep(1);
const [identification, inverse, factorial] = [0, 4, 8].map((offset) => bar.read32(offset));
console.log(JSON.stringify({ memory: outcomeOfMemory(), identification, inverse, factorial }));
