import path from "node:path";
import { labDevices, type LabDevice } from "./devices.js";
import { LabError } from "../run/lab-error.js";
import { DEFAULT_HUGEPAGES_2M, kernelArguments } from "../kernel/kernel-arguments.js";
import type { Accelerator, MachineOptions } from "../run/lab-options.js";
import { OPTION_ROM_FILE } from "./option-rom.js";
import type { GuestPortName, PortName } from "./ports.js";

export interface QemuPlan {
  readonly machine: MachineOptions;
  readonly accelerator: Accelerator;
  readonly kernelImage: string;
  readonly initrd: string;
  readonly jobDirectory: string;
  readonly outputDirectory?: string | undefined;
  readonly sockets: Readonly<Partial<Record<PortName, string>>>;
}

/** Serial port numbers in the guest; a console may have number 0, plain ports may not. */
const PORT_NUMBERS: Readonly<Record<GuestPortName, number>> = {
  tty: 0,
  stdout: 1,
  stderr: 2,
  control: 3,
  hotplug: 4,
};

export function qemuArguments(plan: QemuPlan): string[] {
  return [
    ...board(plan),
    ...["-kernel", plan.kernelImage, "-initrd", plan.initrd, "-append", kernelArguments(plan.machine)],
    ...sharedFolders(plan),
    ...ports(plan.sockets),
    ...pciDevices(plan),
    ...accessLog(plan.machine),
  ];
}

function board({ machine, accelerator }: QemuPlan): string[] {
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"],
    ...["-machine", "q35,kernel-irqchip=split"],
    ...["-accel", accelerator === "kvm" ? "kvm" : "tcg,thread=multi"],
    ...["-cpu", accelerator === "kvm" ? "host" : "max"],
    ...["-smp", "2", "-m", memoryOf(machine), ...numaNodes(machine)],
    "-device",
    `intel-iommu,intremap=on,caching-mode=on,aw-bits=${machine.iommuAddressBits ?? 39}`,
  ];
}

function memoryOf(machine: MachineOptions): string {
  return machine.memory ?? defaultMemory(machine);
}

function numaNodes(machine: MachineOptions): string[] {
  if (machine.numaNodes !== 2) return [];
  const memory = memoryOf(machine);
  const [, size, unit = ""] = /^(\d+)([MG])$/i.exec(memory) ?? [];
  if (size === undefined) {
    throw new LabError("ERR_LAB_BAD_ARGUMENT", `${memory} cannot be halved for two NUMA nodes`, {
      hint: 'Give the memory in whole M or G, such as "4G".',
    });
  }
  const half = `${Number(size) * (unit.toUpperCase() === "G" ? 512 : 0.5)}M`;
  return [0, 1].flatMap((node) => [
    ...["-object", `memory-backend-ram,id=node${node},size=${half}`],
    ...["-numa", `node,nodeid=${node},cpus=${node},memdev=node${node}`],
  ]);
}

/** 1 GiB pages need aligned memory, which loses one more GiB at the edges. */
function defaultMemory({ hugepages2M = DEFAULT_HUGEPAGES_2M, hugepages1G = 0 }: MachineOptions): string {
  const gigabytes = hugepages1G > 0 ? hugepages1G + 1 : 0;
  return `${2560 + 2 * hugepages2M + 1024 * gigabytes}M`;
}

/**
 * `multidevs=remap`: the host's root spans file systems whose inode numbers would clash. The optional output folder
 * comes last, so that the other devices' IOMMU groups keep their numbers.
 */
function sharedFolders(plan: QemuPlan): string[] {
  const output = plan.outputDirectory;
  return [
    ...share("host", "04.0", "/", true),
    ...share("job", "05.0", plan.jobDirectory, true),
    ...(output === undefined ? [] : share("output", "1e.0", output, false)),
  ];
}

function share(tag: string, address: string, folder: string, readOnly: boolean): string[] {
  const access = readOnly ? ",readonly=on" : "";
  return [
    ...["-fsdev", `local,id=${tag},path=${escapeValue(folder)},security_model=none,multidevs=remap${access}`],
    ...["-device", `virtio-9p-pci,addr=${address},fsdev=${tag},mount_tag=${tag}`],
  ];
}

/** QEMU connects to our sockets: so we need not wait for it to open them. */
function ports(sockets: QemuPlan["sockets"]): string[] {
  const entries = Object.entries(sockets) as [PortName, string][];
  return [
    ...["-device", "virtio-serial-pci,id=serial,addr=06.0"],
    ...entries.flatMap(([name, socket]) => [
      ...["-chardev", `socket,id=${name},path=${escapeValue(socket)}`],
      ...(name === "monitor" ? ["-mon", "chardev=monitor,mode=control"] : guestPort(name)),
    ]),
  ];
}

function guestPort(name: GuestPortName): string[] {
  const driver = name === "tty" ? "virtconsole" : "virtserialport";
  return ["-device", `${driver},chardev=${name},nr=${PORT_NUMBERS[name]}`];
}

function pciDevices({ machine: { extraDevices = [] }, jobDirectory }: QemuPlan): string[] {
  return [
    ...["-blockdev", "driver=null-co,node-name=disk,size=1073741824,read-zeroes=on"],
    // An NVMe controller has virtual functions only as part of a subsystem.
    ...["-device", "nvme-subsys,id=subsystem"],
    // A hub with one port: the card has a link, but reaches nothing.
    ...["-netdev", "hubport,id=net,hubid=0"],
    ...labDevices().flatMap((device) => ["-device", device.qemu + romOf(device, jobDirectory)]),
    ...extraDevices.flatMap((device) => ["-device", device]),
  ];
}

function romOf({ rom }: LabDevice, jobDirectory: string): string {
  return rom ? `,romfile=${escapeValue(path.join(jobDirectory, OPTION_ROM_FILE))}` : "";
}

/** The calls of QEMU's own code for a device: each access once, at its width, however the guest made it. */
function accessLog({ accessLog: file }: MachineOptions): string[] {
  if (file === undefined) return [];
  return ["-D", file, "-trace", "memory_region_ops_read", "-trace", "memory_region_ops_write"];
}

/** In QEMU's option lists a comma separates, and two commas are one. */
function escapeValue(value: string): string {
  return value.replaceAll(",", ",,");
}
