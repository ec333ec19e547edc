import type { DeviceCalls } from "@vfio/ioctl-native";
import { Interrupts } from "../interrupts/interrupts.js";
import { KernelInterrupt } from "../interrupts/kernel-interrupt.js";
import { OpenRegion } from "../regions/open-region.js";

export type DeviceResource = OpenRegion | Interrupts | KernelInterrupt;

const openByDevice = new WeakMap<DeviceCalls, OpenResources>();

/**
 * What is open of one device, by all `PciDevice`s on it together: what one of them does to the device, it does to the
 * others' mappings and interrupts.
 */
export class OpenResources {
  /** Which `PciDevice` switched bus mastering on, and so switches it off when it is closed. */
  busMaster: object | undefined;
  readonly #resources = new Set<DeviceResource>();

  /** The one of this device: it has the same calls however often it is asked for them. */
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

  /** The interrupts that are set up; the kernel serves one set at a time. */
  get interrupts(): Interrupts | undefined {
    return [...this.#resources].find((resource) => resource instanceof Interrupts);
  }

  /** ERR and REQ, if they are wired; the kernel has one of each. */
  get kernelInterrupts(): KernelInterrupt[] {
    return [...this.#resources].filter((resource) => resource instanceof KernelInterrupt);
  }
}
