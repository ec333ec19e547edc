/**
 * An interrupt's round trip: from its trigger to the program that waited for it, against the same in C. The goals are
 * for what a device raises. The software trigger is no interrupt: the kernel writes the eventfd within the ioctl, so
 * these rows show what our calls cost beside their system calls, which an emulated processor makes dear.
 */
import { execFileSync } from "node:child_process";
import { readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ioctl, openFile, vfioIoctls } from "@vfio/ioctl-native";
import { PciDevice } from "@vfio/pci-bar";
import { compareAsyncPairs, nanosecondsPerAwait, runC } from "../../../tools/workspace/src/pairs.js";

const OUR_DEVICE = "0000:00:10.0";
/** A group opens only once, so C has a device of its own. */
const C_DEVICE = "0000:00:15.0";
/** Few in a pair and many pairs: the emulator's speed changes from one second to the next. */
const ROUND_TRIPS = 1000;
const PAIRS = 21;
const RAISE = 0x60;
const ACKNOWLEDGE = 0x64;

// Interrupts go to processor 0, this program and the one in C run on processor 1, as busy polling is done. Left to the
// kernel, either may sit on the interrupt's own processor, and then takes half the time. Processor 0 does not sleep
// meanwhile (idle=poll, in machine.json): to wake an emulated one takes longer than all the rest.
writeFileSync("/proc/irq/default_smp_affinity", "1");
execFileSync("taskset", ["-acp", "1", String(process.pid)]);

const group = openFile(groupNode(OUR_DEVICE));
const container = openFile("/dev/vfio/vfio");
ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);
const pci = new PciDevice({ fd: ioctl(group, vfioIoctls.VFIO_GROUP_GET_DEVICE_FD, OUR_DEVICE) });
const bar = pci.bar(0).map();
pci.busMaster = true;
const interrupts = pci.setUpInterrupts({ type: "msi" });
interrupts.enable();
const vector = interrupts.vector(0);

const triggers = {
  loopback: { fire: () => interrupts.trigger(0), serve: () => undefined },
  device: { fire: () => bar.write32(RAISE, 1), serve: () => bar.write32(ACKNOWLEDGE, 1) },
};
const waits = {
  poll: { goal: 2.5, what: "through the event loop", take: () => vector.wait() },
  spin: {
    goal: 1.5,
    what: "busy-polled",
    take() {
      while (vector.poll() === 0);
    },
  },
};

for (const [way, { fire, serve }] of Object.entries(triggers)) {
  for (const [wait, { goal, what, take }] of Object.entries(waits)) {
    const busyPolled = () => (fire(), take(), serve());
    const awaited = async () => (fire(), await take(), serve());
    const roundTrip = wait === "spin" ? busyPolled : awaited;
    await compareAsyncPairs({
      what: `interrupt round trip ${what}, ${way === "device" ? "raised by the device" : "software trigger"}`,
      unit: "ns",
      ...(way === "device" ? { goal } : {}),
      rounds: PAIRS,
      ours: () => nanosecondsPerAwait(ROUND_TRIPS, roundTrip),
      c: () => runC(import.meta.dirname, "interrupts", way, wait, ROUND_TRIPS, C_DEVICE, groupNode(C_DEVICE)),
    });
  }
}

function groupNode(bdf) {
  return `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`))}`;
}
