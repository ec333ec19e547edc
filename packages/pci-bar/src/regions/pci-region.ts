import { LinearMemory, VfioError, type DeviceCalls, type RegionWindow } from "@vfio/ioctl-native";
import {
  deviceCallsOf,
  vfioConstants,
  type MappableArea,
  type RegionInfo,
  type VfioDevice,
} from "@vfio/ioctl-native/vfio";
import {
  argumentError,
  checkOptions,
  closings,
  printAs,
  regionName,
  undo,
} from "@vfio/ioctl-native/internal";
import type { MsixTable } from "../config/capability-list.js";
import { mappableWindows } from "./mappable-windows.js";
import { OpenRegion } from "./open-region.js";
import { deviceAccess, type RegionAccess } from "./region-access.js";

const MSIX_ENTRY_BYTES = 16;

/** A region's view of its device. */
export interface RegionContext {
  readonly device: DeviceCalls | VfioDevice;
  readonly msixTable: MsixTable | undefined;
  /** Throws `ERR_VFIO_CLOSED` once nothing may be opened. */
  checkOpen(): void;
  /** Throws unless the device answers at this region: memory or I/O space may be switched off. */
  checkAnswers(region: PciRegion): void;
  /** Takes ownership of an opened region. */
  own(region: OpenRegion): void;
}

/**
 * What to do about the MSI-X table, which belongs to the kernel: `"refuse"` to map its BAR, map all `"around"` its
 * pages, or `"include"` it, which the kernel must allow (`msixMappable`).
 */
export type MsixTablePolicy = "refuse" | "around" | "include";

/** Options of {@link PciRegion.open}. */
export interface OpenRegionOptions {
  /**
   * Lay the mapped parts into this WebAssembly memory: `region.windows[0].place` says where, for compiled code. Whoever
   * has the memory reaches the device. `ERR_VFIO_READ_ONLY` for a region that cannot be written. Default: a memory that
   * this thread keeps to itself.
   */
  readonly within?: LinearMemory;
}

/** Options of {@link PciRegion.map}. */
export interface MapRegionOptions extends OpenRegionOptions {
  /** Default `"refuse"`. */
  readonly msixTable?: MsixTablePolicy;
}

/**
 * A region of a device, not open yet: a BAR, the ROM, the config space, VGA.
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 *
 * using pci = new PciDevice(device);
 *
 * for (const bar of pci.bars) console.log(bar.index, bar.name, bar.bytes, bar.obstacle ?? "can be mapped");
 * using registers = pci.bar(0).open(); // whatever can be reached how: I/O ports, too
 * using mapped = pci.bar(2).map({ msixTable: "around" }); // loads and stores, or an error
 * ```
 */
export class PciRegion {
  static {
    printAs(PciRegion, (it) => ({ name: it.name, bytes: it.bytes }));
  }

  /** 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA. */
  readonly index: number;
  readonly info: RegionInfo;
  /** For messages: "BAR0 of 0000:00:10.0". */
  readonly name: string;
  readonly #context: RegionContext;
  readonly #device: DeviceCalls;

  /** Programs call `pci.bar(index)`, `pci.rom` or `pci.region(index)`. */
  constructor(info: RegionInfo, context: RegionContext) {
    checkInfo(info);
    // JavaScript callers may pass anything.
    this.#device = deviceCallsOf((context as Partial<RegionContext> | null)?.device as VfioDevice);
    this.index = info.index;
    this.info = info;
    this.name = regionName(info.index, this.#device.name);
    this.#context = context;
  }

  /** 0 if the device does not have the region. */
  get bytes(): number {
    return this.info.bytes;
  }

  /** Why {@link map} without options would refuse, if it would. */
  get obstacle(): string | undefined {
    return this.obstacleTo({});
  }

  /** Why {@link map} with these options would refuse, if it would. */
  obstacleTo(options: MapRegionOptions = {}): string | undefined {
    const msixTable = policyOf(options);
    if (this.bytes === 0) return "the device does not have it";
    if (!this.info.mappable)
      return "the kernel offers no mmap of it: it is an I/O-port BAR, or too small for a page of its own";
    if (this.#windows("include").length === 0) return "the kernel offers mmap of no whole page of it";
    if (this.#table === undefined) return undefined;
    if (msixTable === "refuse") return "it holds the MSI-X table, which belongs to the kernel";
    if (msixTable === "include" && !this.info.msixMappable)
      return "it holds the MSI-X table, which this kernel does not offer to map";
    return this.#windows(msixTable).length === 0 ? "it consists of the MSI-X table's pages alone" : undefined;
  }

  /**
   * Maps the region, or the parts of it that the kernel offers. An access elsewhere is a RangeError
   * `ERR_VFIO_REGION_HOLE`; {@link open} reaches that, too.
   * @throws VfioError `ERR_VFIO_BAR_NOT_MAPPABLE` with the reason; `ERR_VFIO_MEMORY_SPACE_DISABLED` if the device does
   * not answer there: touching the mapping would be a SIGBUS; `ERR_VFIO_DEVICE_GONE`; `ERR_VFIO_CLOSED` after
   * `pci.close()`.
   */
  map(options: MapRegionOptions = {}): OpenRegion {
    this.#context.checkOpen();
    const obstacle = this.obstacleTo(options);
    if (obstacle !== undefined) throw notMappableError(this.name, obstacle);
    this.#context.checkAnswers(this);
    return this.#open(this.#windows(policyOf(options)), undefined, withinOf(options));
  }

  /**
   * Opens the region, whatever it is: mapped where possible, but for the MSI-X table's pages, and the rest by `pread`
   * and `pwrite`. The config space is read-only here: `pci.config` writes it. The MSI-X table reads as all ones; the
   * kernel drops writes to it.
   * @throws VfioError `ERR_VFIO_REGION_ABSENT` if the device does not have the region; `ERR_VFIO_MEMORY_SPACE_DISABLED`
   * or `ERR_VFIO_IO_SPACE_DISABLED` if it does not answer there; `ERR_VFIO_DEVICE_GONE`; `ERR_VFIO_CLOSED` after
   * `pci.close()`.
   */
  open(options: OpenRegionOptions = {}): OpenRegion {
    checkOptions("the options of open()", options);
    this.#context.checkOpen();
    if (this.bytes === 0) throw absentError(this.name);
    this.#context.checkAnswers(this);
    const rest = deviceAccess(this.#device, this.info, this.name);
    return this.#open(this.#windows("around"), rest, withinOf(options));
  }

  get #table(): MappableArea | undefined {
    const table = this.#context.msixTable;
    if (table?.bar !== this.index) return undefined;
    return { offset: table.offset, bytes: table.vectors * MSIX_ENTRY_BYTES };
  }

  #windows(policy: MsixTablePolicy): MappableArea[] {
    return mappableWindows(this.info, policy === "include" ? undefined : this.#table);
  }

  /** All or nothing: when one window fails, those before it are unmapped again. */
  #open(
    areas: readonly MappableArea[],
    file: RegionAccess | undefined,
    within: LinearMemory | undefined,
  ): OpenRegion {
    const { index, name, bytes } = this;
    // pci.config writes it, and knows which writes would remove mapped memory.
    const writable = this.info.writable && index !== vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX;
    const device = this.#device;
    const hold = device.hold?.(areas.length === 0 ? `the use of ${name}` : `the mapping of ${name}`);
    const windows: RegionWindow[] = [];
    try {
      for (const area of areas) windows.push(device.mapRegion(index, area, writable, within));
      const region = new OpenRegion({ index, name, bytes, writable, windows, file, hold });
      this.#context.own(region);
      return region;
    } catch (error) {
      undo(error, [...closings(windows), () => hold?.[Symbol.dispose]()]);
    }
  }
}

/**
 * Asks the kernel for a region (`VFIO_DEVICE_GET_REGION_INFO`).
 * @param index 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA.
 * @throws VfioSystemError EINVAL for an index the device does not have; for VGA that is normal; VfioRangeError
 * `ERR_VFIO_ARGUMENT`, `ERR_VFIO_STRUCT_VALUE`.
 */
export function readRegionInfo(device: DeviceCalls | VfioDevice, index: number): RegionInfo {
  return deviceCallsOf(device).region(index);
}

function policyOf(options: MapRegionOptions): MsixTablePolicy {
  checkOptions("the options of map()", options);
  const { msixTable = "refuse" } = options;
  if (["refuse", "around", "include"].includes(msixTable)) return msixTable;
  throw argumentError("msixTable", "refuse, around or include", msixTable);
}

function withinOf({ within }: OpenRegionOptions): LinearMemory | undefined {
  if (within === undefined || within instanceof LinearMemory) return within;
  throw argumentError("within", "a LinearMemory", within);
}

function notMappableError(name: string, obstacle: string): VfioError {
  return new VfioError("ERR_VFIO_BAR_NOT_MAPPABLE", `cannot map ${name}: ${obstacle}`);
}

function absentError(name: string): VfioError {
  return new VfioError("ERR_VFIO_REGION_ABSENT", `cannot open ${name}: the device does not have it`, {
    hint: "pci.bars, pci.rom and pci.vga show which regions there are",
  });
}

/** JavaScript callers may pass anything. */
function checkInfo(info: Partial<RegionInfo> | null | undefined): void {
  if (typeof info?.index === "number") return;
  throw argumentError("a region's info", "what readRegionInfo() returns", info);
}
