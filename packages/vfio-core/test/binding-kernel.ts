import { errnoOf, useKernel, type Kernel } from "@vfio/ioctl-native";
import { pciDevice, sysfsOnly } from "./fake-kernel.js";

/** The device that changes hands, in group 4. */
export const DEVICE = "0000:03:00.0";
const FOLDER = `/sys/bus/pci/devices/${DEVICE}`;
const OVERRIDE = `${FOLDER}/driver_override`;

/** What a test decides of the machine, and what it looks at afterwards. */
export interface BindingMachine {
  /** The driver of the device now. */
  driver: string | undefined;
  /** Its `driver_override`, as it reads. */
  override: string;
  /** Drivers that take the device when asked to; others are there, and refuse. */
  readonly takers: Set<string>;
  /** False: no IOMMU stands in front of the device. */
  isInGroup: boolean;
  /** True: some other program gives the device to its former driver as soon as that has lost it. */
  reboundAtOnce: boolean;
  /** What opening the group's node answers, one after the other; then an fd. */
  readonly opening: number[];
  /** What a write to the end of a path answers, once. */
  readonly failing: Map<string, number>;
  /** Which fds of the group's node are open. */
  readonly openFds: Set<number>;
  /** What was written, the last part of its path before it; and `open` and `close` of the group's node. */
  readonly log: string[];
  /** The links in /proc/<pid>/fd. */
  readonly fdLinks: Record<string, string>;
}

/** A machine with one device that can change its driver as sysfs does it, and a group that may be held. */
export function bindingMachine(
  driver: string | undefined,
  { opening = [], fdLinks, ...given }: Partial<BindingMachine> = {},
): BindingMachine {
  return {
    driver,
    override: "(null)",
    isInGroup: true,
    reboundAtOnce: false,
    takers: new Set(["vfio-pci", "e1000e", "other_vfio_pci"]),
    opening: [...opening],
    failing: new Map(),
    openFds: new Set(),
    log: [],
    fdLinks: { ...fdLinks },
    ...given,
  };
}

/** As {@link bindingMachine}, with its kernel behind the library until it is disposed of. */
export function useMachine(...given: Parameters<typeof bindingMachine>): BindingMachine & Disposable {
  const machine = bindingMachine(...given);
  const used = useKernel(bindingKernel(machine));
  return Object.assign(machine, { [Symbol.dispose]: () => used[Symbol.dispose]() });
}

/** The kernel of such a machine. */
export function bindingKernel(machine: BindingMachine): Kernel {
  const drivers = Object.fromEntries(
    ["vfio-pci", "e1000e", "other_vfio_pci", "pci-stub", "refusing"].map((name) => [
      `/sys/bus/pci/drivers/${name}/uevent`,
      "",
    ]),
  );
  const sysfs = (): Kernel =>
    sysfsOnly(
      { ...pciDevice(DEVICE), ...drivers, [OVERRIDE]: `${machine.override}\n`, "/proc/77/comm": "node\n" },
      {
        ...(machine.isInGroup ? { [`${FOLDER}/iommu_group`]: "../../../kernel/iommu_groups/4" } : {}),
        ...(machine.driver === undefined ? {} : { [`${FOLDER}/driver`]: `../../drivers/${machine.driver}` }),
        "/proc/self": "5",
        ...machine.fdLinks,
      },
    );
  const writeText = (path: string, text: string): number => write(machine, path, text);
  const fake: Partial<Kernel> = {
    readText: (path) => sysfs().readText(path),
    readLink: (path) => sysfs().readLink(path),
    list: (path) => sysfs().list(path),
    stat: (path) => sysfs().stat(path),
    open: () => openGroup(machine),
    close: (fd) => (machine.log.push("close"), machine.openFds.delete(fd) ? 0 : errnoOf("EBADF")),
    writeText,
    writeTextAsync: (path, text) => Promise.resolve(writeText(path, text)),
  };
  return fake as Kernel;
}

function openGroup(machine: BindingMachine): number {
  const answer = machine.opening.shift() ?? 40;
  if (answer >= 0) {
    machine.openFds.add(answer);
    machine.log.push("open");
  }
  return answer;
}

function write(machine: BindingMachine, path: string, text: string): number {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const failure = machine.failing.get(name);
  machine.log.push(`${name} ${JSON.stringify(text)}`);
  if (failure !== undefined) {
    machine.failing.delete(name);
    return failure;
  }
  if (path === OVERRIDE) machine.override = text.trim() || "(null)";
  else if (path === `${FOLDER}/driver/unbind`) return unbind(machine);
  else if (machine.takers.has(machine.override)) machine.driver = machine.override;
  return 0;
}

/** A device without a driver has no such file. */
function unbind(machine: BindingMachine): number {
  if (machine.driver === undefined) return errnoOf("ENOENT");
  if (!machine.reboundAtOnce) machine.driver = undefined;
  return 0;
}
