/** Mapping and unmapping hugepage memory, against the same ioctls in C; and reading physical addresses. */
import { readlinkSync } from "node:fs";
import path from "node:path";
import { DmaMapper, HugepageMemory } from "@vfio/dma";
import { ioctl, openFile } from "@vfio/ioctl-native";
import { vfioIoctls } from "@vfio/ioctl-native/vfio";
import { compareAsyncPairs, medianNanoseconds, startC } from "@vfio/test-support/benchmark";

const MIB = 1 << 20;
const OUR_DEVICE = "0000:00:10.0";
/** A group opens only once, so C has a device of its own. */
const C_DEVICE = "0000:00:15.0";

const group = openFile(groupNode(OUR_DEVICE));
const container = openFile("/dev/vfio/vfio");
ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);
const IN_PIECES = { pieceBytes: 2 * MIB };

// One mode after the other, as a program has one: V8 compiles the mapper for what it has seen.
const mapper = new DmaMapper(container, { iova: "allocate" });
warmUp(mapper);
for (const bytes of [64 * MIB, 512 * MIB]) {
  await compare(bytes, "in one piece", bytes, 1.15, (memory) => mapper.map(memory).unmap());
  await compare(bytes, "in 2 MiB pieces", 2 * MIB, 1.15, (memory) => mapper.map(memory, IN_PIECES).unmap());
}
const physical = new DmaMapper(container, { iova: "physical" });
warmUp(physical);
for (const bytes of [64 * MIB, 512 * MIB]) {
  await compare(bytes, "at physical addresses", "physical", 1.12, (memory) => physical.map(memory).unmap());
}

/** A small memory often, so that V8 has compiled the mapper before anything is measured. */
function warmUp(mapper) {
  const memory = HugepageMemory.allocate({ bytes: 4 * MIB });
  for (let round = 0; round < 5000; round++) {
    mapper.map(memory, IN_PIECES).unmap();
    mapper.map(memory).unmap();
  }
  memory.close();
}

async function compare(bytes, how, piece, goal, mapAndUnmap) {
  const memory = HugepageMemory.allocate({ bytes });
  const rounds = bytes > 64 * MIB ? 5 : 31;
  // C maps the very same pages: what a map costs depends on where they lie.
  const c = startC(import.meta.dirname, "map", [bytes, piece, rounds, groupNode(C_DEVICE)], [memory.fd]);
  await compareAsyncPairs({
    what: `map + unmap ${bytes / MIB} MiB ${how}`,
    unit: "ns",
    goal,
    rounds: 21,
    ours: () => medianNanoseconds(rounds, { event: () => mapAndUnmap(memory) }),
    c: () => c.measure(),
  });
  await c.stop();
  memory.close();
}

const memory = HugepageMemory.allocate({ bytes: 1024 * MIB });
const c = startC(import.meta.dirname, "pagemap", [memory.bytes, 11], [memory.fd]);
await compareAsyncPairs({
  what: "physical addresses of 1 GiB in 2 MiB pages",
  unit: "ns",
  goal: 2,
  rounds: 21,
  ours: () => medianNanoseconds(11, { event: () => memory.physicalAddresses() }),
  c: () => c.measure(),
});
await c.stop();

function groupNode(bdf) {
  return `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`))}`;
}
