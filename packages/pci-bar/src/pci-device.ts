import { closedError, runAll, vfioConstants, VfioError, VfioRangeError } from "@vfio/ioctl-native";
import { Bar } from "./bar.js";
import { findMsixTable, type MsixTable } from "./capabilities.js";
import { CommandBit, commandBit, setCommandBit } from "./command.js";
import { ConfigSpace } from "./config-space.js";
import { Interrupts, type InterruptOptions } from "./interrupts.js";
import type { MappedBar } from "./mapped-bar.js";
import { readRegionInfo } from "./region.js";
import { nameOf, type VfioDevice } from "./vfio-device.js";

const LAST_BAR = vfioConstants.VFIO_PCI_BAR5_REGION_INDEX;

/**
 * What is PCI about an open VFIO device: config space, BARs, interrupts, bus mastering. Anybody's device, known
 * only by its fd. Closing it unmaps its BARs and closes its interrupts; the device itself stays open.
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
 * console.log(pci.config.read16(0x00).toString(16)); // the vendor
 * pci.busMaster = true; // the device may do DMA from here on
 * ```
 */
export class PciDevice implements Disposable {
  /** Its configuration space, through the kernel. */
  readonly config: ConfigSpace;
  /** Where the MSI-X table lies, or `undefined` if the device has no MSI-X. */
  readonly msixTable: MsixTable | undefined;
  readonly #device: VfioDevice;
  readonly #owned = new Set<MappedBar | Interrupts>();
  #closed = false;

  constructor(device: VfioDevice) {
    this.#device = device;
    this.config = new ConfigSpace(device);
    this.msixTable = findMsixTable(this.config);
  }

  /** PCI vendor id, 16 bits, from the config space. */
  get vendorId(): number {
    return this.config.read16(0x00);
  }

  /** PCI device id, 16 bits, from the config space. */
  get deviceId(): number {
    return this.config.read16(0x02);
  }

  /** @throws VfioRangeError `ERR_VFIO_BAR_INDEX` for anything but 0–5; VfioError `ERR_VFIO_CLOSED`. */
  bar(index: number): Bar {
    this.#checkOpen();
    if (!Number.isInteger(index) || index < 0 || index > LAST_BAR) {
      throw new VfioRangeError("ERR_VFIO_BAR_INDEX", `PCI devices have BARs 0 to ${LAST_BAR}, not ${index}`);
    }
    return new Bar(readRegionInfo(this.#device, index), {
      device: this.#device,
      msixBar: this.msixTable?.bar,
      checkOpen: () => this.#checkOpen(),
      memorySpaceEnabled: () => this.memorySpace,
      own: (mapped) => this.#own(mapped),
    });
  }

  /** The BARs that the device has, mappable or not. */
  get bars(): Bar[] {
    return Array.from({ length: LAST_BAR + 1 }, (_, index) => this.bar(index)).filter(
      ({ bytes }) => bytes > 0,
    );
  }

  /**
   * Maps every BAR that can be mapped, leaving out the one with the MSI-X table. If one fails, those before it are
   * unmapped again.
   */
  mapBars(): MappedBar[] {
    const mapped: MappedBar[] = [];
    try {
      for (const bar of this.bars) if (bar.obstacle === undefined) mapped.push(bar.map());
      return mapped;
    } catch (error) {
      for (const bar of mapped) bar.close();
      throw error;
    }
  }

  /**
   * Chooses an interrupt type and wires its vectors to eventfds, without enabling anything. A device has one
   * `Interrupts` at a time: the kernel serves one type, and a second would take the first one's eventfds away.
   * @throws VfioError `ERR_VFIO_INTERRUPTS_IN_USE` while others are open; `ERR_VFIO_NO_INTERRUPT`; `ERR_VFIO_CLOSED`;
   * VfioRangeError `ERR_VFIO_INTERRUPT_VECTORS`.
   */
  setUpInterrupts(options: InterruptOptions = {}): Interrupts {
    this.#checkOpen();
    this.#checkNoInterrupts();
    const interrupts = Interrupts.setUp(this.#device, options);
    this.#own(interrupts);
    return interrupts;
  }

  /** The device may start DMA of its own. Setting it is verified by reading it back. */
  get busMaster(): boolean {
    return commandBit(this.config, CommandBit.busMaster);
  }

  /** Throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it. */
  set busMaster(on: boolean) {
    setCommandBit(this.config, CommandBit.busMaster, on, nameOf(this.#device));
  }

  /** The device answers at its memory BARs. Setting it is verified by reading it back. */
  get memorySpace(): boolean {
    return commandBit(this.config, CommandBit.memorySpace);
  }

  /** Throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it. */
  set memorySpace(on: boolean) {
    setCommandBit(this.config, CommandBit.memorySpace, on, nameOf(this.#device));
  }

  /**
   * Unmaps all BARs and closes the interrupts. Closing twice does nothing.
   * @throws what one of them threw, an AggregateError if several did; all of them are closed all the same.
   */
  close(): void {
    this.#closed = true;
    runAll([...this.#owned].map((resource) => () => resource.close()));
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #own(resource: MappedBar | Interrupts): void {
    this.#owned.add(resource);
    resource.onClose(() => this.#owned.delete(resource));
  }

  #checkNoInterrupts(): void {
    const open = [...this.#owned].find((resource) => resource instanceof Interrupts);
    if (open === undefined) return;
    throw new VfioError(
      "ERR_VFIO_INTERRUPTS_IN_USE",
      `${nameOf(this.#device)} has ${open.type} interrupts set up already`,
      { hint: "Close the first: interrupts.close()" },
    );
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(`the PCI functions of ${nameOf(this.#device)}`);
  }
}
