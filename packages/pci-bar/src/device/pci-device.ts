import { hasErrno, VfioRangeError, type DeviceCalls, type HasFd } from "@vfio/ioctl-native";
import { deviceCallsOf, vfioConstants, type HotResetDevice, type VfioDevice } from "@vfio/ioctl-native/vfio";
import {
  checkFunction,
  checkOptions,
  closedError,
  closings,
  runAll,
  undo,
  printAs,
} from "@vfio/ioctl-native/internal";
import { checkAnswers, checkMemoryStays } from "../regions/address-space.js";
import { findMsixTable, type MsixTable } from "../config/capability-list.js";
import {
  COMMAND_OFFSET,
  commandMask,
  isCommandSet,
  setCommand,
  touchesCommand,
} from "../config-space/command.js";
import { ConfigSpace } from "../config-space/config-space.js";
import { OpenResources, type DeviceResource } from "./open-resources.js";
import { resetsFunction } from "./function-reset.js";
import { planHotReset, readHotResetDevices } from "./hot-reset.js";
import type { InterruptListener, ListenOptions } from "../interrupts/interrupt-vector.js";
import { checkNoneInUse, Interrupts, type InterruptOptions } from "../interrupts/interrupts.js";
import {
  checkNobodyListens,
  KernelInterrupt,
  type KernelInterruptKind,
} from "../interrupts/kernel-interrupt.js";
import { OpenRegion } from "../regions/open-region.js";
import { PciRegion, type MapRegionOptions } from "../regions/pci-region.js";
import { bringToD0, changesPowerState, readPowerState, type PowerState } from "./power-state.js";
import { checkPresent, isPresent } from "./presence.js";
import {
  canReset,
  planReset,
  resetKeeping,
  resetKeepingAsync,
  type ResetAsyncOptions,
  type ResetOptions,
  type ResetTarget,
} from "./reset.js";
import { checkSteers, roleOf, type DeviceRole, type PciDeviceOptions } from "./role.js";

const LAST_BAR = vfioConstants.VFIO_PCI_BAR5_REGION_INDEX;

/**
 * The PCI side of an open VFIO device: config space, BARs, interrupts, bus mastering. Anybody's device, known only by
 * its fd. Closing switches bus mastering off, closes the interrupts and unmaps the BARs; the device itself stays open,
 * but everything here, the config space too, throws `ERR_VFIO_CLOSED`. Several on the same device object know of each
 * other's mappings and interrupts; two device objects with one fd do not.
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
  static {
    printAs(PciDevice, (it) => ({ device: it.#device.name, open: it.#owned.size, closed: it.#closed }));
  }

  readonly config: ConfigSpace;
  readonly msixTable: MsixTable | undefined;
  readonly #device: DeviceCalls;
  readonly #role: DeviceRole;
  readonly #owned = new Set<DeviceResource>();
  readonly #open: OpenResources;
  readonly #kernelInterrupts = new Map<KernelInterruptKind, KernelInterrupt>();
  #closed = false;

  /**
   * @param device a device's calls, or anything with the fd of an open VFIO device.
   * @throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything else; VfioSystemError.
   */
  constructor(device: DeviceCalls | VfioDevice, options: PciDeviceOptions = {}) {
    this.#device = deviceCallsOf(device);
    this.#role = roleOf(options);
    this.#open = OpenResources.of(this.#device);
    this.config = new ConfigSpace(
      this.#device,
      (offset, value) => this.#beforeWrite(offset, value),
      () => this.#checkOpen(),
    );
    this.msixTable = findMsixTable(this.config);
  }

  get vendorId(): number {
    return this.config.read16(0x00);
  }

  get deviceId(): number {
    return this.config.read16(0x02);
  }

  /** @throws VfioRangeError `ERR_VFIO_BAR_INDEX` for anything but 0–5; VfioError `ERR_VFIO_CLOSED`. */
  bar(index: number): PciRegion {
    this.#checkOpen();
    if (!Number.isInteger(index) || index < 0 || index > LAST_BAR) {
      throw new VfioRangeError(
        "ERR_VFIO_BAR_INDEX",
        `PCI devices have BARs 0 to ${LAST_BAR}, not ${String(index)}`,
      );
    }
    return this.region(index);
  }

  get bars(): PciRegion[] {
    return Array.from({ length: LAST_BAR + 1 }, (_, index) => this.bar(index)).filter(
      ({ bytes }) => bytes > 0,
    );
  }

  /** `undefined` if the device has none. The kernel switches the ROM on for each read. */
  get rom(): PciRegion | undefined {
    const rom = this.region(vfioConstants.VFIO_PCI_ROM_REGION_INDEX);
    return rom.bytes === 0 ? undefined : rom;
  }

  /**
   * The legacy VGA addresses; `undefined` if the device is no VGA device, or the kernel lacks `VFIO_PCI_VGA`. Offsets
   * are the addresses themselves; only 0xa0000–0xbffff, 0x3b0–0x3bb and 0x3c0–0x3df answer.
   */
  get vga(): PciRegion | undefined {
    try {
      return this.region(vfioConstants.VFIO_PCI_VGA_REGION_INDEX);
    } catch (error) {
      if (hasErrno(error, "EINVAL")) return undefined;
      throw error;
    }
  }

  /**
   * Any region by the kernel's index: 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA, from 9 on those that the
   * device's kernel driver adds.
   * @throws VfioSystemError EINVAL for an index the device does not have; VfioError `ERR_VFIO_CLOSED`.
   */
  region(index: number): PciRegion {
    this.#checkOpen();
    return new PciRegion(this.#device.region(index), {
      device: this.#device,
      msixTable: this.msixTable,
      checkOpen: () => this.#checkOpen(),
      checkAnswers: (region) => checkAnswers(region, this.config, this.#device.name),
      own: (region) => this.#own(region),
    });
  }

  /**
   * Maps every BAR that can be mapped, without the one with the MSI-X table unless the options say otherwise: all of
   * them or none.
   */
  mapBars(options: MapRegionOptions = {}): OpenRegion[] {
    checkOptions("the options of mapBars()", options);
    const mapped: OpenRegion[] = [];
    try {
      for (const bar of this.bars) {
        if (bar.obstacleTo(options) === undefined) mapped.push(bar.map(options));
      }
      return mapped;
    } catch (error) {
      undo(error, closings(mapped));
    }
  }

  /**
   * Chooses an interrupt type and wires its vectors to eventfds, without enabling anything. A device has one
   * `Interrupts` at a time: the kernel serves one type, and a second would take the first one's eventfds.
   * @throws VfioError `ERR_VFIO_INTERRUPTS_IN_USE` while others are open; `ERR_VFIO_NO_INTERRUPT`; `ERR_VFIO_CLOSED`;
   * `ERR_VFIO_DEVICE_GONE`; VfioRangeError `ERR_VFIO_INTERRUPT_VECTORS`, `ERR_VFIO_ARGUMENT`.
   */
  setUpInterrupts(options: InterruptOptions = {}): Interrupts {
    this.#checkSteers("set up interrupts");
    checkNoneInUse(this.#open.interrupts, this.#device.name);
    checkPresent(this.config, this.#device.name);
    const interrupts = Interrupts.setUp(this.#device, options);
    this.#own(interrupts);
    return interrupts;
  }

  /**
   * Whether the device may start DMA. Setting it is verified by reading it back. The `PciDevice` that switched it on
   * switches it off when closed.
   */
  get busMaster(): boolean {
    return isCommandSet(this.config, "busMaster");
  }

  /** Throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it; `ERR_VFIO_DEVICE_GONE`. */
  set busMaster(on: boolean) {
    setCommand(this.config, "busMaster", on, this.#device.name);
  }

  /** Whether the device answers at its memory BARs. Setting it is verified by reading it back. */
  get memorySpace(): boolean {
    return isCommandSet(this.config, "memorySpace");
  }

  /**
   * Throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it; `ERR_VFIO_MEMORY_SPACE_IN_USE` when
   * switching it off while regions are mapped; `ERR_VFIO_DEVICE_GONE`.
   */
  set memorySpace(on: boolean) {
    setCommand(this.config, "memorySpace", on, this.#device.name);
  }

  /** Whether the device answers at its I/O-port BARs. Setting it is verified by reading it back. */
  get ioSpace(): boolean {
    return isCommandSet(this.config, "ioSpace");
  }

  /** Throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it; `ERR_VFIO_DEVICE_GONE`. */
  set ioSpace(on: boolean) {
    setCommand(this.config, "ioSpace", on, this.#device.name);
  }

  /**
   * Calls back when the kernel wants the device back, to unplug it or unbind it from vfio-pci. It waits until the
   * device's last fd is closed: stop using the device, and close everything in order. The kernel asks again every 10
   * seconds (`VFIO_PCI_REQ_IRQ_INDEX`, vfio_pci_core_request).
   * @param options here the default of `keepAlive` is false.
   * @returns dispose of it to stop listening.
   * @throws VfioError `ERR_VFIO_NO_INTERRUPT` if the kernel does not ask; `ERR_VFIO_INTERRUPTS_IN_USE` if another
   * `PciDevice` on this device listens; `ERR_VFIO_CLOSED`.
   */
  onRemovalRequested(listener: () => void, options?: ListenOptions): Disposable {
    checkFunction("the listener of onRemovalRequested()", listener);
    return this.#listen("removal request", () => listener(), options);
  }

  /**
   * Calls back when a PCI Express device reported an uncorrectable error (AER; `VFIO_PCI_ERR_IRQ_INDEX`,
   * vfio_pci_core_aer_err_detected). From then on its behaviour is undefined until a reset. After a fatal error the
   * kernel calls back, then resets the link itself: accesses to the config space wait for that; afterwards memory
   * space, bus mastering and interrupts are off, and registers have their reset values. Closing and opening the device
   * again makes it usable. Parameters and result as with {@link onRemovalRequested}.
   * @throws VfioError `ERR_VFIO_NO_INTERRUPT` if the device is not PCI Express; `ERR_VFIO_INTERRUPTS_IN_USE`;
   * `ERR_VFIO_CLOSED`.
   */
  onDeviceError(listener: () => void, options?: ListenOptions): Disposable {
    checkFunction("the listener of onDeviceError()", listener);
    return this.#listen("error", () => listener(), options);
  }

  /**
   * False if the device answers no longer (unplugged, or without power), or if the memory of an open region has gone
   * away (`region.gone`), as when another program switches the memory space off.
   */
  get present(): boolean {
    return isPresent(this.config) && !this.#open.regions.some(({ gone }) => gone);
  }

  /** In all states but D0 the BARs do not answer. Throws VfioError `ERR_VFIO_DEVICE_GONE`. */
  get powerState(): PowerState {
    return readPowerState(this.config, this.#device.name);
  }

  /**
   * Switches the device to power state D0.
   * @throws VfioError `ERR_VFIO_POWER_STATE` if it stays in another state; `ERR_VFIO_DEVICE_GONE`.
   */
  bringToD0(): void {
    this.#checkSteers("change the power state");
    bringToD0(this.config, this.#device.name);
  }

  get canReset(): boolean {
    this.#checkOpen();
    return canReset(this.#device);
  }

  /**
   * Resets this function alone, and restores what the options say. Afterwards it is in power state D0; counts of
   * earlier interrupts can still be read. **Blocks** up to a minute, until the device comes back; {@link resetAsync}
   * does not.
   * @throws before the reset, with interrupts as they were: VfioError `ERR_VFIO_NO_RESET` if the kernel has no way;
   * `ERR_VFIO_MEMORY_SPACE_IN_USE` if memory space is to stay off and something is mapped; `ERR_VFIO_DEVICE_GONE`;
   * `ERR_VFIO_CLOSED`; VfioSystemError of the reset itself. After the reset, with interrupts disabled:
   * `ERR_VFIO_DEVICE_GONE`, `ERR_VFIO_POWER_STATE`, `ERR_VFIO_COMMAND_REGISTER`, and what `interrupts.enable()` throws.
   */
  reset(options: ResetOptions = {}): void {
    this.#checkReset(options);
    resetKeeping(this.#resetTarget, options, planReset(this.#device));
  }

  /**
   * As {@link reset}, off the event loop. Do not use the device until the promise settles: it does not answer. If it is
   * closed meanwhile, the reset goes on, and the promise rejects with `ERR_VFIO_CLOSED`.
   */
  async resetAsync(options: ResetAsyncOptions = {}): Promise<void> {
    this.#checkReset(options);
    await resetKeepingAsync(this.#resetTarget, options, planReset(this.#device));
  }

  /**
   * The devices that {@link hotReset} resets: all on this one's slot or bus.
   * @throws VfioError `ERR_VFIO_NO_RESET` if there is no such slot or bus, as on a root bus;
   * `ERR_VFIO_HOT_RESET_GROUPS` for a device that was opened without its group (iommufd).
   */
  get hotResetDevices(): HotResetDevice[] {
    this.#checkOpen();
    return readHotResetDevices(this.#device);
  }

  /**
   * Resets everything on the device's slot or bus, and restores of this device what the options say. **Blocks**, as
   * {@link reset}; {@link hotResetAsync} does not.
   * @param groups the open groups of all {@link hotResetDevices}: the proof that they are yours.
   * @throws VfioError `ERR_VFIO_HOT_RESET_GROUPS` with the devices whose group is missing; `ERR_VFIO_NO_RESET`;
   * `ERR_VFIO_CLOSED`; VfioSystemError, EINVAL if one of the devices is not bound to vfio-pci; and as {@link reset}.
   */
  hotReset(groups: readonly HasFd[], options: ResetOptions = {}): void {
    this.#checkReset(options);
    resetKeeping(this.#resetTarget, options, planHotReset(this.#device, groups));
  }

  /** As {@link hotReset}, off the event loop, as {@link resetAsync}. */
  async hotResetAsync(groups: readonly HasFd[], options: ResetAsyncOptions = {}): Promise<void> {
    this.#checkReset(options);
    await resetKeepingAsync(this.#resetTarget, options, planHotReset(this.#device, groups));
  }

  /**
   * Switches bus mastering off if this object switched it on, closes the interrupts and unmaps all BARs, so that the
   * device starts no DMA while its memory goes. A busy device may still end what it began: stop its queues first.
   * Closing twice does nothing.
   * @throws the failure, or a VfioAggregateError `ERR_VFIO_SEVERAL` of several; everything is closed all the same.
   */
  close(): void {
    if (this.#closed) return;
    const isRegion = (resource: DeviceResource): boolean => resource instanceof OpenRegion;
    const owned = [...this.#owned].sort((a, b) => Number(isRegion(a)) - Number(isRegion(b)));
    runAll([() => this.#stopDma(), () => (this.#closed = true), ...closings(owned)]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #beforeWrite(offset: number, value: number): void {
    if (touchesCommand(offset)) this.#checkSteers("write the command register");
    if (this.#role === "secondary") {
      if (changesPowerState(this.config, offset, value)) this.#checkSteers("change the power state");
      if (resetsFunction(this.config, offset, value)) this.#checkSteers("do a reset");
    }
    checkMemoryStays(this.config, { offset, value }, this.#open.regions, this.#device.name);
    if (offset !== COMMAND_OFFSET) return;
    if ((value & commandMask("busMaster")) === 0) this.#open.busMaster = undefined;
    else if (!this.busMaster) this.#open.busMaster ??= this;
  }

  /** A device that does not answer starts no DMA. */
  #stopDma(): void {
    if (this.#open.busMaster !== this) return;
    this.#open.busMaster = undefined;
    if (isPresent(this.config)) setCommand(this.config, "busMaster", false, this.#device.name);
  }

  #listen(kind: KernelInterruptKind, listener: InterruptListener, options?: ListenOptions): Disposable {
    this.#checkSteers(`listen to the ${kind} interrupt`);
    checkOptions("the options of a listener", options);
    let interrupt = this.#kernelInterrupts.get(kind);
    if (interrupt === undefined) {
      checkNobodyListens(this.#open.kernelInterrupts, kind, this.#device.name);
      interrupt = new KernelInterrupt(this.#device, kind);
      this.#kernelInterrupts.set(kind, interrupt);
      this.#own(interrupt);
    }
    return interrupt.listen(listener, options);
  }

  #checkReset(options: unknown): void {
    this.#checkSteers("do a reset");
    checkOptions("the options of a reset", options);
  }

  get #resetTarget(): ResetTarget {
    const open = this.#open;
    return {
      device: this.#device,
      config: this.config,
      regions: open.regions,
      get interrupts() {
        return open.interrupts;
      },
    };
  }

  #own(resource: DeviceResource): void {
    this.#owned.add(resource);
    this.#open.add(resource);
    resource.onClose(() => this.#owned.delete(resource));
  }

  #checkSteers(what: string): void {
    this.#checkOpen();
    checkSteers(this.#role, what, this.#device.name);
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(`the PciDevice of ${this.#device.name}`);
  }
}
