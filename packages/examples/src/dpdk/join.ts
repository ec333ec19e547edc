import { Mapping } from "@vfio/ioctl-native";
import { joinDpdkPrimary } from "@vfio/mp-sync";
import { PciDevice, readRegionInfo } from "@vfio/pci-bar";
import { Group, iommuGroupOf, type Device } from "@vfio/vfio-core";
import type { Facts } from "../pipeline/events.js";
import * as facts from "../pipeline/facts.js";
import type { Reporter } from "../pipeline/reporter.js";
import {
  linkStatus,
  macAddress,
  receiveRing,
  transmitRing,
  type Registers,
  type Ring,
} from "./e1000e-registers.js";

export interface JoinOptions {
  readonly bdf: string;
  /** The primary's `--file-prefix`. */
  readonly prefix: string;
  readonly signal: AbortSignal;
}

/**
 * Joins a running DPDK primary as a guest: fds from the primary, a device fd of its own, BAR0 mapped for reading alone.
 * Sets up no interrupts, resets nothing and writes no register: all that is the primary's.
 * @param whileJoined gets the registers; everything is closed afterwards.
 */
export async function joinDpdk(
  { bdf, prefix, signal }: JoinOptions,
  report: Reporter,
  whileJoined: (registers: Registers) => Promise<void>,
): Promise<void> {
  const number = await report.task(
    "find the card's IOMMU group",
    () => iommuGroupOf(bdf),
    facts.groupNumberFacts(bdf),
  );
  using primary = await report.task(
    "join the primary, of the version that its directory tells",
    () => joinDpdkPrimary({ prefix, signal }),
    (joined) => ({
      directory: joined.directory,
      version: joined.version.text,
      groups: joined.groupsInUse()?.map(String) ?? [],
    }),
  );
  await report.task(
    "get its IOMMU type and its container",
    async () => ({
      type: await primary.iommuType({ signal }),
      container: await primary.container({ signal }),
    }),
    ({ type, container }) => ({ iommuType: type, containerFd: container.fd }),
  );
  const groupFd = await report.task(
    "get the group",
    () => primary.group(number, { signal }),
    ({ fd }) => ({ group: number, groupFd: fd }),
  );
  using group = Group.from(groupFd);
  using device = await report.task(
    "get a device fd of its own",
    () => group.openDevice(bdf),
    facts.deviceFacts,
  );
  using bar0 = await report.task(
    "map BAR0, for reading alone",
    () => mapReadOnly(device),
    ({ bytes }) => ({ bytes }),
  );
  await whileJoined(bar0.registers);
}

/** The primary drives the device: a stray store of this process must not reach it. */
function mapReadOnly(device: Device): Mapping {
  using pci = new PciDevice(device, { role: "secondary" });
  if (!pci.memorySpace) throw new Error(`the primary has switched off the memory space of ${device.bdf}`);
  const { bytes, fileOffset } = readRegionInfo(device, 0);
  return Mapping.map({
    file: device,
    bytes,
    offset: fileOffset,
    writable: false,
    name: `BAR0 of ${device.bdf}`,
  });
}

export function registerFacts(registers: Registers): Facts {
  return {
    mac: macAddress(registers),
    link: linkStatus(registers),
    receiveRing: describeRing(receiveRing(registers)),
    transmitRing: describeRing(transmitRing(registers)),
  };
}

function describeRing({ descriptors, head, tail }: Ring): string {
  return `head ${head}, tail ${tail} of ${descriptors}`;
}
