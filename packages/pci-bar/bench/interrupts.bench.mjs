/**
 * An interrupt's round trip: from its trigger to the program that waited for it, against the same in C. The
 * software trigger is no interrupt: the kernel writes the eventfd within the ioctl, so that neither C's poll(2) nor an
 * awaited wait ever sleeps. Its rows show what our calls cost beside their system calls, which an emulated processor
 * makes dear. Busy polling comes first, on a vector that the event loop does not watch yet.
 *
 * Each interrupt is timed for itself, and comes 100 microseconds after the last was served. One right behind the other,
 * the two sides would meet the emulator in different states, each always in its own: the quicker one finds the other
 * processor still awake, the slower one meets it just as it ends the last interrupt, and waits for the emulator's lock.
 */
import { execFileSync } from "node:child_process";
import { readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ioctl, kernel, openFile } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { PciDevice } from "@vfio/pci-bar";
import { compareAsyncPairs, medianNanoseconds, pauseBusily, startC } from "@vfio/test-support/benchmark";

const OUR_DEVICE = "0000:00:10.0";
/** A group opens only once, so C has a device of its own. */
const C_DEVICE = "0000:00:15.0";
const INTERRUPTS = 200;
const PAUSE = 100_000;
const PAIRS = 41;
/** V8 compiles a short function only after some thousand calls. A driver runs for hours. */
const COMPILED_AFTER = 10_000;
const FIRE = vfioConstants.VFIO_IRQ_SET_DATA_NONE | vfioConstants.VFIO_IRQ_SET_ACTION_TRIGGER;
const RAISE = 0x60;
const ACKNOWLEDGE = 0x64;

// Interrupts go to processor 0, this program and the one in C run on processor 1, as busy polling is done. Left to the
// kernel, either may sit on the interrupt's own processor, and then takes half the time.
writeFileSync("/proc/irq/default_smp_affinity", "1");
execFileSync("taskset", ["-acp", "1", String(process.pid)]);

const group = openFile(groupNode(OUR_DEVICE));
const container = openFile("/dev/vfio/vfio");
ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);
const device = { fd: ioctl(group, vfioIoctls.VFIO_GROUP_GET_DEVICE_FD, OUR_DEVICE) };
const pci = new PciDevice(device);
const bar = pci.bar(0).map();
pci.busMaster = true;
const interrupts = pci.setUpInterrupts({ type: "msi" });
interrupts.enable();
const vector = interrupts.vector(0);

/** The wait begins first: it looks at the count once, and a software trigger would have set it already. */
function waitThenFire(fire) {
  const waiting = vector.wait();
  fire();
  return waiting;
}

function fireThenSpin(fire) {
  fire();
  return vector.waitSync({ timeoutMs: 5000 });
}

const triggers = {
  loopback: { fire: () => interrupts.trigger(0), serve: () => undefined },
  device: { fire: () => bar.write32(RAISE, 1), serve: () => bar.write32(ACKNOWLEDGE, 1) },
};
/** What is left of it if nothing is checked and nothing is an object: the two native calls, one for each of C's system calls. */
function nativeCallsAlone() {
  const fire = vfioStructs.vfio_irq_set.encode({ flags: FIRE, index: 1, count: 1 });
  const { fd } = device;
  return () => {
    kernel().ioctl(fd, vfioIoctls.VFIO_DEVICE_SET_IRQS.number, fire);
    return kernel().eventfdSpin(vector.fd, 5000);
  };
}

const waits = {
  bare: {
    goals: {},
    what: "busy-polled, by native calls alone",
    event: nativeCallsAlone(),
    only: "loopback",
  },
  spin: { goals: { device: 1.5, loopback: 2 }, what: "busy-polled", event: fireThenSpin },
  poll: { goals: { device: 2.5, loopback: 4 }, what: "awaited", event: waitThenFire },
};

for (const [wait, { goals, what, event, only }] of Object.entries(waits)) {
  for (const [way, { fire, serve }] of Object.entries(triggers)) {
    if (only !== undefined && way !== only) continue;
    for (let round = 0; round < COMPILED_AFTER; round++) {
      await event(fire);
      serve();
    }
    const steps = { before: () => pauseBusily(PAUSE), event: () => event(fire), after: serve };
    const c = startC(import.meta.dirname, "interrupts", [
      way,
      wait === "poll" ? "poll" : "spin",
      INTERRUPTS,
      C_DEVICE,
      groupNode(C_DEVICE),
    ]);
    await compareAsyncPairs({
      what: `interrupt round trip ${what}, ${way === "device" ? "raised by the device" : "software trigger"}`,
      unit: "ns",
      goal: goals[way],
      rounds: PAIRS,
      ours: () => medianNanoseconds(INTERRUPTS, steps),
      c: () => c.measure(),
    });
    await c.stop();
  }
}

function groupNode(bdf) {
  return `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`))}`;
}
