import { constants } from "node:fs";
import {
  errnoOf,
  Fd,
  kernel,
  VfioError,
  VfioSystemError,
  type PciDeviceInfo,
  type WaitLimits,
} from "@vfio/ioctl-native";
import {
  checkWaitLimits,
  groupNodes,
  groupOfLink,
  holdersBy,
  holdersOf,
  limitWait,
  listFolder,
  PCI_DEVICES,
  type Holders,
} from "@vfio/ioctl-native/internal";

/** Between two attempts to open a group that another process has. */
const RETRY_MS = 50;
/** `/proc/<pid>/fd`'s name of an open device: it does not say which. */
const ANY_DEVICE = "anon_inode:[vfio-device]";

/**
 * Opens a device's group, so that nobody else can open it or its devices: taking an open device from its VFIO driver
 * waits in the kernel (`vfio_unregister_group_dev`), beyond any signal, and for ever if this process has it open. VFIO
 * opens a group once, and counts an open device as its group's user, so EBUSY is the whole answer, also for users that
 * `/proc` does not show. A group that is open but in no container holds nothing up.
 * @returns dispose of it when the device has left its driver.
 * @throws VfioError `ERR_VFIO_DEVICE_IN_USE`, naming the holder.
 */
export function claimGroup(device: PciDeviceInfo): Disposable {
  const claim = tryClaim(device);
  if (claim === undefined) throw inUseError(device, whoHas(device));
  return claim;
}

/**
 * As {@link claimGroup}, but waits for other processes to let go.
 * @param limits without a timeout there is no wait. When it is up, the error is not `ERR_VFIO_TIMEOUT`, but names the
 * holder.
 */
export async function claimGroupAsync(device: PciDeviceInfo, limits: WaitLimits): Promise<Disposable> {
  const { signal, timeoutMs = 0 } = limits;
  const end = performance.now() + timeoutMs;
  for (;;) {
    checkWaitLimits(limits);
    const claim = tryClaim(device);
    if (claim !== undefined) return claim;
    const holders = whoHas(device);
    if (holders.own || performance.now() >= end) throw inUseError(device, holders);
    await pause(Math.min(RETRY_MS, end - performance.now()), signal);
  }
}

function tryClaim(device: PciDeviceInfo): Disposable | undefined {
  for (const node of groupNodesOf(device)) {
    const fd = kernel().open(node, constants.O_RDWR, 0);
    if (fd >= 0) return new Fd(fd, node);
    if (fd === errnoOf("EBUSY")) return undefined;
    if (fd !== errnoOf("ENOENT")) throw unknownError(device, node, fd);
  }
  // No node, or none in this container, where the kernel cannot be asked.
  return hasHolders(holdersOf(...nodesOf(device))) ? undefined : { [Symbol.dispose]: () => undefined };
}

function whoHas(device: PciDeviceInfo): Holders {
  const holders = holdersOf(...nodesOf(device));
  // The group's fd may be closed while one of the device, or a copy of it, is open.
  return hasHolders(holders) ? holders : holdersBy(hasDeviceWithoutGroup);
}

function hasDeviceWithoutGroup(links: readonly string[]): boolean {
  return links.includes(ANY_DEVICE) && links.every((link) => groupOfLink(link) === undefined);
}

function hasHolders({ own, others }: Holders): boolean {
  return own || others.length > 0;
}

function groupNodesOf({ iommuGroup }: PciDeviceInfo): readonly string[] {
  return iommuGroup === undefined ? [] : groupNodes(iommuGroup);
}

function nodesOf(device: PciDeviceInfo): string[] {
  const own = listFolder(`${PCI_DEVICES}/${device.bdf}/vfio-dev`).map((name) => `/dev/vfio/devices/${name}`);
  return [...groupNodesOf(device), ...own];
}

function inUseError({ bdf, iommuGroup }: PciDeviceInfo, { own, others }: Holders): VfioError {
  const who = own
    ? ["this process"]
    : others.length > 0
      ? others
      : ["a process that cannot be seen from here"];
  const hint = own
    ? "Close the device and its group first, in whichever thread: the kernel waits for that, so this process would wait for itself, forever"
    : "Let that process close the device, or end it; bindDriverAsync() with timeoutMs waits for it";
  return new VfioError(
    "ERR_VFIO_DEVICE_IN_USE",
    `cannot change the driver of ${bdf}: its IOMMU group ${iommuGroup ?? "(none)"} is open in ${who.join(", ")}`,
    { hint },
  );
}

function unknownError({ bdf }: PciDeviceInfo, node: string, errno: number): VfioSystemError {
  const what = `cannot see whether a process has ${bdf} open (${node})`;
  return new VfioSystemError(errno, { syscall: "open", what, path: node });
}

/** An abort ends the pause; the caller checks the signal next. */
function pause(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      limit?.[Symbol.dispose]();
      resolve();
    };
    const limit = limitWait({ signal, timeoutMs }, "a group", finish);
  });
}
