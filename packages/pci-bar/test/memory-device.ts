import {
  check,
  createMemoryFile,
  errnoOf,
  realKernel,
  useKernel,
  type Fd,
  type Kernel,
} from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { PciDevice, type MappableArea, type VfioDevice } from "../src/index.js";

const CONFIG_INDEX = vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX;
const CONFIG_BYTES = 256;
/** Regions lie so far apart in the memory file. */
export const REGION_SPACE = 1 << 20;
const { VFIO_REGION_INFO_FLAG_READ: READ, VFIO_REGION_INFO_FLAG_WRITE: WRITE } = vfioConstants;
const { VFIO_REGION_INFO_FLAG_MMAP: MMAP, VFIO_REGION_INFO_FLAG_CAPS: CAPS } = vfioConstants;

/** A region of a {@link MemoryDevice}. */
export interface MemoryRegion {
  readonly bytes: number;
  readonly mappable?: boolean;
  readonly writable?: boolean;
  readonly msixMappable?: boolean;
  readonly sparse?: readonly MappableArea[];
  /** For a BAR: it has I/O ports. */
  readonly io?: boolean;
}

/**
 * A PCI device whose regions are parts of a memory file: the kernel says what its regions are as the test wants it, and
 * then really maps, reads and writes them.
 */
export class MemoryDevice implements Disposable {
  readonly device: VfioDevice;
  readonly pci: PciDevice;
  /** What holds the device open. */
  readonly holds = new Set<string>();
  readonly #regions: ReadonlyMap<number, MemoryRegion>;
  readonly #file: Fd;
  readonly #undo: Disposable;

  constructor(
    regions: Readonly<Record<number, MemoryRegion>>,
    {
      msix,
      kernel = {},
    }: { msix?: { bar: number; offset: number; vectors: number }; kernel?: Partial<Kernel> } = {},
  ) {
    this.#regions = new Map(Object.entries(regions).map(([index, region]) => [Number(index), region]));
    this.#file = createMemoryFile({ bytes: REGION_SPACE * 9, pageBytes: 4096 });
    this.#undo = useKernel({
      ...realKernel(),
      ioctl: (_fd, request, argument) => this.#ioctl(request, argument),
      ...kernel,
    });
    const file = this.#file;
    const { holds } = this;
    this.device = {
      bdf: "0000:00:1f.0",
      get fd() {
        return file.fd;
      },
      hold(reason) {
        holds.add(reason);
        return { [Symbol.dispose]: () => void holds.delete(reason) };
      },
    };
    this.#writeConfig(msix);
    this.pci = new PciDevice(this.device);
  }

  /** All bytes of a region, past the library: what the device would see. */
  contents(index: number): Uint8Array {
    const bytes = new Uint8Array(this.#regions.get(index)?.bytes ?? 0);
    check(realKernel().pread(this.#file.fd, bytes, index * REGION_SPACE), () => ({
      syscall: "pread",
      what: "contents",
    }));
    return bytes;
  }

  /** Sets bytes of a region, past the library. */
  poke(index: number, offset: number, bytes: Uint8Array): void {
    const place = index * REGION_SPACE + offset;
    check(realKernel().pwrite(this.#file.fd, bytes, place), () => ({ syscall: "pwrite", what: "poke" }));
  }

  /** Sets the command register. */
  command(value: number): void {
    this.poke(CONFIG_INDEX, 0x04, Uint8Array.of(value));
  }

  [Symbol.dispose](): void {
    this.pci.close();
    this.#file.close();
    this.#undo[Symbol.dispose]();
  }

  #writeConfig(msix: { bar: number; offset: number; vectors: number } | undefined): void {
    const config = new DataView(new ArrayBuffer(CONFIG_BYTES));
    config.setUint16(0x04, 0x03, true);
    for (const [index, { io = false }] of this.#regions)
      if (index <= 5 && io) config.setUint32(0x10 + 4 * index, 1, true);
    if (msix !== undefined) {
      config.setUint16(0x06, 1 << 4, true);
      config.setUint8(0x34, 0x40);
      config.setUint8(0x40, 0x11);
      config.setUint16(0x42, msix.vectors - 1, true);
      config.setUint32(0x44, msix.offset | msix.bar, true);
    }
    this.poke(CONFIG_INDEX, 0, new Uint8Array(config.buffer));
  }

  #ioctl(request: number, argument: number | Uint8Array): number {
    if (request !== vfioIoctls.VFIO_DEVICE_GET_REGION_INFO.number || typeof argument === "number")
      return errnoOf("ENOTTY");
    const struct = vfioStructs.vfio_region_info;
    const { index, argsz } = struct.decode(argument);
    if (index > 7 && !this.#regions.has(index)) return errnoOf("EINVAL");
    const region = index === CONFIG_INDEX ? { bytes: CONFIG_BYTES } : this.#regions.get(index);
    const caps = region === undefined ? new Uint8Array() : capabilitiesOf(region);
    const flag = (on: boolean, bit: number): number => (on ? bit : 0);
    struct.write(argument, {
      argsz: struct.bytes + caps.length,
      flags:
        READ |
        flag(region?.writable ?? true, WRITE) |
        flag(region?.mappable ?? false, MMAP) |
        flag(caps.length > 0, CAPS),
      size: BigInt(region?.bytes ?? 0),
      offset: BigInt(index * REGION_SPACE),
      cap_offset: caps.length > 0 && argsz >= struct.bytes + caps.length ? struct.bytes : 0,
    });
    if (argsz >= struct.bytes + caps.length) argument.set(caps, struct.bytes);
    return 0;
  }
}

function capabilitiesOf({ msixMappable = false, sparse }: MemoryRegion): Uint8Array {
  const start = vfioStructs.vfio_region_info.bytes;
  const bytes = new Uint8Array((msixMappable ? 8 : 0) + (sparse === undefined ? 0 : 16 + 16 * sparse.length));
  const sparseAt = msixMappable ? 8 : 0;
  const { VFIO_REGION_INFO_CAP_MSIX_MAPPABLE: MSIX, VFIO_REGION_INFO_CAP_SPARSE_MMAP: SPARSE } =
    vfioConstants;
  if (msixMappable) {
    const next = sparse === undefined ? 0 : start + sparseAt;
    vfioStructs.vfio_info_cap_header.write(bytes, { id: MSIX, version: 1, next }, 0);
  }
  if (sparse !== undefined) {
    vfioStructs.vfio_info_cap_header.write(bytes, { id: SPARSE, version: 1, next: 0 }, sparseAt);
    vfioStructs.vfio_region_info_cap_sparse_mmap.write(bytes, { nr_areas: sparse.length }, sparseAt);
    sparse.forEach(({ offset, bytes: size }, index) => {
      const area = { offset: BigInt(offset), size: BigInt(size) };
      vfioStructs.vfio_region_sparse_mmap_area.write(bytes, area, sparseAt + 16 + 16 * index);
    });
  }
  return bytes;
}
