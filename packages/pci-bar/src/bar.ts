import { Mapping, VfioError } from "@vfio/ioctl-native";
import { MappedBar } from "./mapped-bar.js";
import type { RegionInfo } from "./region.js";
import { nameOf, type VfioDevice } from "./vfio-device.js";

/** What a BAR has to know of its device. */
export interface BarContext {
  /** The device it belongs to. */
  readonly device: VfioDevice;
  /** The BAR that holds the MSI-X table, if the device has one. */
  readonly msixBar: number | undefined;
  /** Throws `ERR_VFIO_CLOSED` once nothing may be mapped any more. */
  checkOpen(): void;
  /** Whether the device answers at its memory BARs now (command register, bit 1). */
  memorySpaceEnabled(): boolean;
  /** Called with each new mapping, whose owner the caller becomes. */
  own(bar: MappedBar): void;
}

/**
 * One of a device's six base address registers, and the region behind it.
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 * import { Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf("0000:00:10.0"));
 * using device = group.openDevice("0000:00:10.0");
 * using pci = new PciDevice(device);
 * for (const bar of pci.bars) console.log(bar.bytes, bar.obstacle ?? "can be mapped");
 * ```
 */
export class Bar {
  /** 0 to 5. */
  readonly index: number;
  /** What the kernel says of the region behind it. */
  readonly region: RegionInfo;
  readonly #context: BarContext;

  /** Programs call `pci.bar(index)`. */
  constructor(region: RegionInfo, context: BarContext) {
    this.index = region.index;
    this.region = region;
    this.#context = context;
  }

  /** 0 if the device does not have this BAR. */
  get bytes(): number {
    return this.region.bytes;
  }

  /** Why {@link map} would refuse, or `undefined` if it would not. */
  get obstacle(): string | undefined {
    if (this.bytes === 0) return "the device does not have it";
    if (this.index === this.#context.msixBar) return "it holds the MSI-X table, which belongs to the kernel";
    if (!this.region.mappable)
      return "the kernel offers no mmap of it: it is an I/O-port BAR, or smaller than a page";
    if (this.region.sparseAreas !== undefined) return "only parts of it may be mapped";
    return undefined;
  }

  /**
   * Maps the whole BAR.
   * @throws VfioError `ERR_VFIO_BAR_NOT_MAPPABLE` with the reason; `ERR_VFIO_MEMORY_SPACE_DISABLED` if the device
   * does not answer at all: touching such a mapping would end the process with a SIGBUS; `ERR_VFIO_CLOSED` after
   * `pci.close()`.
   */
  map(): MappedBar {
    this.#context.checkOpen();
    const { device } = this.#context;
    const name = `BAR${this.index} of ${nameOf(device)}`;
    if (this.obstacle !== undefined) throw notMappableError(name, this.obstacle);
    if (!this.#context.memorySpaceEnabled()) throw memoryDisabledError(name);
    const { bytes, fileOffset, writable } = this.region;
    const mapping = Mapping.map({ file: device, bytes, offset: fileOffset, writable, name });
    const bar = new MappedBar(this.index, mapping, device.hold?.(`the mapping of BAR${this.index}`));
    this.#context.own(bar);
    return bar;
  }
}

function notMappableError(name: string, obstacle: string): VfioError {
  return new VfioError("ERR_VFIO_BAR_NOT_MAPPABLE", `cannot map ${name}: ${obstacle}`);
}

function memoryDisabledError(name: string): VfioError {
  return new VfioError(
    "ERR_VFIO_MEMORY_SPACE_DISABLED",
    `cannot map ${name}: the device's memory space is switched off`,
    {
      hint: "Switch it on: pci.memorySpace = true",
    },
  );
}
