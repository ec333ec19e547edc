import { DeviceNotice } from "./device-notice.js";
import { Interrupts } from "../interrupts/interrupts.js";
import { OpenRegion } from "../regions/open-region.js";
import type { VfioDevice } from "./vfio-device.js";

/** What a `PciDevice` opens of its device. */
export type DeviceResource = OpenRegion | Interrupts | DeviceNotice;

const openByDevice = new WeakMap<VfioDevice, OpenResources>();

/**
 * What is open of one device object, by all `PciDevice`s on it together: what one of them does to the device, it does
 * to the others' mappings and interrupts.
 */
export class OpenResources {
  readonly #resources = new Set<DeviceResource>();

  /** The one of this device object. */
  static of(device: VfioDevice): OpenResources {
    const known = openByDevice.get(device);
    if (known !== undefined) return known;
    const resources = new OpenResources();
    openByDevice.set(device, resources);
    return resources;
  }

  /** Keeps a resource until it is closed. */
  add(resource: DeviceResource): void {
    this.#resources.add(resource);
    resource.onClose(() => this.#resources.delete(resource));
  }

  /** The open regions, mapped or not. */
  get regions(): OpenRegion[] {
    return [...this.#resources].filter((resource) => resource instanceof OpenRegion);
  }

  /** The interrupts that are set up; the kernel serves one set at a time. */
  get interrupts(): Interrupts | undefined {
    return [...this.#resources].find((resource) => resource instanceof Interrupts);
  }

  /** The error and removal notices that are wired; the kernel has one of each kind. */
  get notices(): DeviceNotice[] {
    return [...this.#resources].filter((resource) => resource instanceof DeviceNotice);
  }
}
