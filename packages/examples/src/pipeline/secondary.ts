import { decodeMemoryDescription, HugepageMemory } from "@vfio/dma";
import { isVfioError } from "@vfio/ioctl-native";
import { connectToPrimary, type PrimaryPeer } from "@vfio/mp-sync";
import { PciDevice, type OpenRegion } from "@vfio/pci-bar";
import { Group, iommuGroupOf, listPciDevices } from "@vfio/vfio-core";
import { eduOf, type Edu } from "../edu.js";
import type { Facts } from "./events.js";
import * as facts from "./facts.js";
import type { PipelineOptions } from "./options.js";
import type { Reporter } from "./reporter.js";
import { dmaRoundTrip } from "./round-trip.js";

const PLACES = { source: 32 << 10, target: 48 << 10 };
const PROBE = 0x12345678;
/** Far beyond the groups of any machine. */
const GROUP_THAT_DOES_NOT_EXIST = 999_999;

interface Asking {
  readonly report: Reporter;
  readonly primary: PrimaryPeer;
  readonly signal: AbortSignal;
}

/**
 * The secondary process: fds from the primary, a device fd and BARs of its own, DMA in the shared memory. `signal` ends
 * it at any wait.
 */
export async function runSecondary(
  options: PipelineOptions,
  report: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const { bdf, prefix } = options;

  const number = await report.task(
    "find the device's IOMMU group",
    () => iommuGroupOf(bdf),
    facts.groupNumberFacts(bdf),
  );
  using primary = await report.task(
    "get the container from the primary",
    async () => await connectToPrimary({ prefix, signal }),
    (peer) => ({ path: peer.path, containerFd: peer.container.fd }),
  );
  const groupFd = await report.task(
    "get the group from the primary",
    async () => await primary.group(number, { signal }),
    ({ fd }) => ({ group: number, groupFd: fd }),
  );
  using group = Group.from(groupFd);
  using device = await report.task(
    "get a device fd of its own",
    () => group.openDevice(bdf),
    facts.deviceFacts,
  );
  using pci = new PciDevice(device, { role: "secondary" });
  const bars = await report.task("map the BARs", () => pci.mapBars(), facts.barFacts(pci));

  await useDevice(report, { primary, pci, bars }, signal);
  await askForOtherGroups({ report, primary, signal }, number);
}

async function useDevice(
  report: Reporter,
  { primary, pci, bars }: { primary: PrimaryPeer; pci: PciDevice; bars: readonly OpenRegion[] },
  signal: AbortSignal,
): Promise<void> {
  const edu = eduOf(pci, bars);
  if (edu === undefined)
    return report.leftOut(
      "registers and DMA in the shared memory",
      "there is no driver here for this device",
    );
  await report.task(
    "check the device's registers",
    () => checkRegisters(edu),
    (found) => found,
  );

  using memory = await report.task(
    "attach the primary's hugepage memory",
    async () => await attachMemory(primary, signal),
    (attached) => ({ bytes: attached.memory.bytes, segments: attached.table.extents.length }),
  );
  const view = { buffer: memory.memory.buffer, table: memory.table };
  // The interrupt goes to an eventfd of the primary, so this process polls the device's register.
  const done = (): Promise<void> => edu.dmaDone({ signal });
  await report.task(
    "DMA to the device and back in the shared memory",
    async () => await dmaRoundTrip(edu, view, PLACES, 2, done, { interrupt: false }),
    (result) => result,
  );
}

function checkRegisters(edu: Edu): Facts {
  const identification = edu.identification();
  if ((identification & 0xff) !== 0xed)
    throw new Error(`the identification is ${facts.hex(identification)}, not …ed`);
  const inverse = edu.invert(PROBE);
  if (inverse !== ~PROBE >>> 0)
    throw new Error(`the inverse of ${facts.hex(PROBE)} came back as ${facts.hex(inverse)}`);
  return {
    identification: facts.hex(identification),
    inverter: `${facts.hex(PROBE)} → ${facts.hex(inverse)}`,
  };
}

async function attachMemory(primary: PrimaryPeer, signal: AbortSignal) {
  const [shared] = await primary.memory({ signal });
  if (shared === undefined) throw new Error("the primary shares no memory");
  const { bytes, pageBytes, table } = decodeMemoryDescription(shared.description);
  const memory = HugepageMemory.attach(shared.file, bytes, pageBytes);
  return { memory, table, [Symbol.dispose]: () => memory.close() };
}

/** The protocol's two other answers: a group that does not exist, and one that nobody bound to VFIO. */
async function askForOtherGroups(asking: Asking, own: number): Promise<void> {
  const nonexistent = "ask for a group that does not exist";
  await expectRefusal(asking, nonexistent, GROUP_THAT_DOES_NOT_EXIST, "ERR_VFIO_GROUP_REFUSED");
  const unbound = groupWithoutVfio(own);
  const title = "ask for a group that is not bound to VFIO";
  if (unbound === undefined)
    return asking.report.leftOut(title, "every group of this machine is bound to VFIO");
  await expectRefusal(asking, title, unbound, "ERR_VFIO_GROUP_NO_FD");
}

async function expectRefusal(
  { report, primary, signal }: Asking,
  title: string,
  group: number,
  expected: string,
): Promise<void> {
  await report.task(
    title,
    async () => {
      const error = await primary.group(group, { signal }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      signal.throwIfAborted();
      if (isVfioError(error) && error.code === expected) return error;
      throw new Error(`the primary should have refused group ${group} with ${expected}`, { cause: error });
    },
    (error) => ({
      group,
      answer: expected === "ERR_VFIO_GROUP_NO_FD" ? "NO_FD" : "ERR",
      code: error.code,
      message: error.message,
    }),
  );
}

function groupWithoutVfio(own: number): number | undefined {
  const devices = listPciDevices().filter(({ iommuGroup }) => iommuGroup !== undefined && iommuGroup !== own);
  const bound = new Set(
    devices.filter(({ driver }) => driver === "vfio-pci").map(({ iommuGroup }) => iommuGroup),
  );
  return devices.find(({ iommuGroup }) => !bound.has(iommuGroup))?.iommuGroup;
}
