/** Mapping and unmapping hugepage memory, against the same ioctls in C; and reading physical addresses. */
import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import path from "node:path";
import { DmaMapper, HugepageMemory } from "@vfio/dma";
import { ioctl, openFile, vfioIoctls } from "@vfio/ioctl-native";
import { comparePairs, nanosecondsPerCall, runC } from "../../../tools/workspace/src/pairs.js";

const MIB = 1 << 20;
const OUR_DEVICE = "0000:00:10.0";
/** A group opens only once, so C has a device of its own. */
const C_DEVICE = "0000:00:15.0";

const group = openFile(groupNode(OUR_DEVICE));
const container = openFile("/dev/vfio/vfio");
ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);
const mapper = new DmaMapper(container, { iova: "allocate" });

// A small memory often, so that V8 has compiled the mapper before anything is measured.
const warmUp = HugepageMemory.allocate({ bytes: 2 * MIB });
for (let round = 0; round < 5000; round++) mapper.map(warmUp, { pieceBytes: 2 * MIB }).unmap();
warmUp.close();

for (const [bytes, rounds] of [
  [64 * MIB, 20],
  [512 * MIB, 5],
]) {
  const memory = HugepageMemory.allocate({ bytes });
  for (const [pieces, pieceBytes] of [
    ["in one piece", bytes],
    ["in 2 MiB pieces", 2 * MIB],
  ]) {
    comparePairs({
      what: `map + unmap ${bytes / MIB} MiB ${pieces}`,
      unit: "ns",
      goal: 1.15,
      ours: () => nanosecondsPerCall(rounds, () => mapper.map(memory, { pieceBytes }).unmap()),
      c: () => runCOn(memory, bytes, pieceBytes, rounds),
    });
  }
  memory.close();
}

const memory = HugepageMemory.allocate({ bytes: 1024 * MIB });
comparePairs({
  what: "physical addresses of 1 GiB in 2 MiB pages",
  unit: "ns",
  goal: 2,
  ours: () => nanosecondsPerCall(20, () => memory.physicalAddresses()),
  c: () => runC(import.meta.dirname, "pagemap", 1024 * MIB, 20),
});

/** C maps the very same pages: what a map costs depends on where they lie. */
function runCOn(memory, ...args) {
  return Number(
    execFileSync(path.join(import.meta.dirname, "build/map"), [...args, groupNode(C_DEVICE)].map(String), {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit", memory.fd],
    }),
  );
}

function groupNode(bdf) {
  return `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`))}`;
}
