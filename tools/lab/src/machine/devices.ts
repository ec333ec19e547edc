export interface LabDevice {
  readonly bdf: string;
  /** Vendor and device id, in hexadecimal. */
  readonly id: string;
  readonly description: string;
  /** When the command starts; `null`: none. */
  readonly driver: "vfio-pci" | "pcieport" | null;
  readonly qemu: string;
  /** It can be unplugged and plugged in while the machine runs; its QEMU id is its name here. */
  readonly hotplug?: true;
  /** The host can have it report an uncorrectable error (AER); its QEMU id is its name here. */
  readonly reportsErrors?: true;
  /** It has the expansion ROM of `optionRom`. */
  readonly rom?: true;
}

/**
 * The devices of every lab machine, by name. `bridgedEdu` and `bridgedEduUnbound` sit behind `bridge` and share one
 * IOMMU group with it; each of the others has a group of its own.
 */
export const LAB_DEVICES = {
  edu: {
    bdf: "0000:00:10.0",
    id: "1234:11e8",
    description: "edu: registers, a DMA engine that reaches every address, INTx and one MSI",
    driver: "vfio-pci",
    qemu: "edu,addr=10.0,dma_mask=0xffffffffffffffff",
  },
  nvme: {
    bdf: "0000:00:11.0",
    id: "1b36:0010",
    description: "NVMe controller with an empty 1 GiB disk that stores nothing, MSI-X",
    driver: "vfio-pci",
    qemu: "nvme,addr=11.0,serial=lab,drive=disk",
  },
  e1000e: {
    bdf: "0000:00:12.0",
    id: "8086:10d3",
    description: "Intel 82574L network card on a network of its own, MSI-X and an I/O port BAR",
    driver: "vfio-pci",
    qemu: "e1000e,addr=12.0,romfile=,netdev=net",
  },
  bridge: {
    bdf: "0000:00:13.0",
    id: "1b36:000e",
    description: "PCIe-to-PCI bridge: everything behind it is one IOMMU group",
    driver: null,
    qemu: "pcie-pci-bridge,id=bridge,addr=13.0",
  },
  bridgedEdu: {
    bdf: "0000:01:01.0",
    id: "1234:11e8",
    description: "edu behind the bridge, DMA below 256 MiB only",
    driver: "vfio-pci",
    qemu: "edu,bus=bridge,addr=1.0",
  },
  bridgedEduUnbound: {
    bdf: "0000:01:02.0",
    id: "1234:11e8",
    description: "edu behind the bridge, left without a driver",
    driver: null,
    qemu: "edu,bus=bridge,addr=2.0",
  },
  pciTestdev: {
    bdf: "0000:00:14.0",
    id: "1b36:0005",
    description: "pci-testdev: one memory BAR and one I/O port BAR, no interrupts",
    driver: "vfio-pci",
    qemu: "pci-testdev,addr=14.0",
  },
  eduNarrow: {
    bdf: "0000:00:15.0",
    id: "1234:11e8",
    description: "edu with its usual 28-bit DMA mask: addresses below 256 MiB only",
    driver: "vfio-pci",
    qemu: "edu,addr=15.0",
  },
  sriovNvme: {
    bdf: "0000:00:17.0",
    id: "1b36:0010",
    description: "NVMe controller without a disk, with two virtual functions to switch on (SR-IOV)",
    driver: "vfio-pci",
    qemu:
      "nvme,addr=17.0,serial=sriov,subsys=subsystem,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2," +
      "max_ioqpairs=8,msix_qsize=9",
  },
  hotplugPort: {
    bdf: "0000:00:16.0",
    id: "1b36:000c",
    description: "PCI Express root port with a hot-plug slot",
    driver: "pcieport",
    qemu: "pcie-root-port,id=hotplugPort,addr=16.0,chassis=1,slot=1",
  },
  hotplugEdu: {
    bdf: "0000:02:00.0",
    id: "1234:11e8",
    description: "edu in the hot-plug slot",
    driver: "vfio-pci",
    qemu: "edu,id=hotplugEdu,bus=hotplugPort",
    hotplug: true,
  },
  errorPort: {
    bdf: "0000:00:18.0",
    id: "1b36:000c",
    description: "PCI Express root port that takes the error reports (AER) of the device behind it",
    driver: "pcieport",
    qemu: "pcie-root-port,id=errorPort,addr=18.0,chassis=2,slot=2,hotplug=off",
  },
  errorRng: {
    bdf: "0000:03:00.0",
    id: "1af4:1044",
    description: "virtio entropy device that can be made to report errors (AER), with an expansion ROM",
    driver: "vfio-pci",
    // Not e1000e: QEMU 7.2's has AER, but no bits that enable the reports, so its root port never hears of them.
    qemu: "virtio-rng-pci,id=errorRng,bus=errorPort,aer=on",
    reportsErrors: true,
    rom: true,
  },
  vga: {
    bdf: "0000:00:19.0",
    id: "1234:1111",
    description: "VGA card: the legacy VGA addresses",
    driver: "vfio-pci",
    qemu: "VGA,addr=19.0,romfile=,vgamem_mb=1",
  },
} as const satisfies Record<string, LabDevice>;

export type LabDeviceName = keyof typeof LAB_DEVICES;

export function devicesForVfio(): string[] {
  return labDevices().flatMap(({ driver, bdf }) => (driver === "vfio-pci" ? [bdf] : []));
}

export function labDevices(): readonly LabDevice[] {
  return Object.values(LAB_DEVICES);
}
