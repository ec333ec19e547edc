import type { DeviceCalls } from "@vfio/ioctl-native";
import { Interrupts } from "../interrupts/interrupts.js";
import { KernelInterrupt } from "../interrupts/kernel-interrupt.js";
import { OpenRegion } from "../regions/open-region.js";

export type DeviceResource = OpenRegion | Interrupts | KernelInterrupt;

const openByDevice = new WeakMap<DeviceCalls, OpenResources>();

/**
 * The open resources of one device, of all its `PciDevice`s together: what one does to the device affects the mappings
 * and interrupts of the others.
 */
export class OpenResources {
  /** The `PciDevice` that switched bus mastering on, and switches it off when closed. */
  busMaster: object | undefined;
  readonly #resources = new Set<DeviceResource>();

  /** One for each device, which always has the same calls. */
  static of(device: DeviceCalls): OpenResources {
    const known = openByDevice.get(device);
    if (known !== undefined) return known;
    const resources = new OpenResources();
    openByDevice.set(device, resources);
    return resources;
  }

  add(resource: DeviceResource): void {
    this.#resources.add(resource);
    resource.onClose(() => this.#resources.delete(resource));
  }

  get regions(): OpenRegion[] {
    return [...this.#resources].filter((resource) => resource instanceof OpenRegion);
  }

  /** The kernel serves one set at a time. */
  get interrupts(): Interrupts | undefined {
    return [...this.#resources].find((resource) => resource instanceof Interrupts);
  }

  /** ERR and REQ, if wired; the kernel has one of each. */
  get kernelInterrupts(): KernelInterrupt[] {
    return [...this.#resources].filter((resource) => resource instanceof KernelInterrupt);
  }
}
