import { types } from "node:util";
import { VfioError, VfioRangeError, type HasFd } from "@vfio/ioctl-native";
import { IOMMU_TYPES } from "@vfio/ioctl-native/vfio";
import { shownValue } from "@vfio/ioctl-native/internal";
import { checkFd, checkObject } from "../argument-checks.js";
import { isDeviceName, type DeviceEntry } from "../wire/device-entry.js";
import type { Attachment, ExchangeOffer, GroupState, OfferedMemory } from "../wire/exchange-types.js";
import type { TellsOfGroups } from "./lease-watch.js";
import { checkGroupNumber, MAX_DESCRIPTION_BYTES, MAX_DEVICES, MAX_MEMORIES } from "../wire/protocol.js";

/** A container to share. */
export interface SharedContainer extends HasFd, TellsOfGroups {
  /** For secondaries that ask: by name, or `VFIO_…_IOMMU`. A `Container` of `@vfio/vfio-core` has it. */
  readonly iommuType?: "type1" | "type1v2" | number;
}

/** An open group, with its number in `/dev/vfio` and sysfs. */
export interface NumberedGroup extends HasFd {
  /** From 0 to 2^31 - 1. */
  readonly number: number;
}

/** Memory that anyone with its file can map, with a description that only its users understand. */
export interface DescribedMemory {
  /** Not closed by the server. */
  readonly file: HasFd;
  /** At most 65536 bytes. */
  readonly description: Uint8Array;
}

/** Whether the machine has an IOMMU group of that number, right now. */
export type GroupExists = (group: number) => boolean;

/** What a primary shares. It borrows the fds: its caller opens and closes them. */
export class SharedResources implements ExchangeOffer {
  readonly grantsLeases: boolean;
  readonly #container: SharedContainer;
  readonly #groups = new Map<number, HasFd>();
  readonly #memories = new Map<DescribedMemory, OfferedMemory>();
  readonly #files = new Map<number, HasFd>();
  readonly #devices = new Map<string, DeviceEntry>();
  readonly #groupExists: GroupExists;
  #nextId = 0;

  constructor(container: SharedContainer, grantsLeases: boolean, groupExists: GroupExists) {
    checkFd(container, "the container");
    this.#container = container;
    this.grantsLeases = grantsLeases;
    this.#groupExists = groupExists;
  }

  get iommuType(): number {
    const { iommuType = 0 } = this.#container;
    return typeof iommuType === "number" ? iommuType : IOMMU_TYPES[iommuType];
  }

  get memories(): readonly OfferedMemory[] {
    return [...this.#memories.values()];
  }

  get devices(): readonly DeviceEntry[] {
    return [...this.#devices.values()];
  }

  addGroup(group: NumberedGroup): void {
    checkObject(group, "a group to share", "an object with its fd and number");
    const { number } = group;
    checkGroupNumber(number);
    checkFd(group, `group ${number}`);
    if (this.#groups.has(number)) {
      throw new VfioError("ERR_VFIO_GROUP_SHARED_TWICE", `group ${number} is shared already`, {
        hint: `Call removeGroup(${number}) first to share another fd for it`,
      });
    }
    this.#groups.set(number, group);
  }

  removeGroup(number: number): boolean {
    return this.#groups.delete(number);
  }

  addMemory(memory: DescribedMemory): void {
    checkObject(memory, "a memory to share", "an object with its file and description");
    const { file, description } = memory;
    if (this.#memories.has(memory)) throw memoryError("this memory is shared already");
    if (this.#memories.size === MAX_MEMORIES)
      throw memoryError(`${MAX_MEMORIES} memories are shared already: that is the limit`);
    checkFd(file, "a shared memory");
    if (!types.isUint8Array(description))
      throw memoryError(`a memory's description is a Uint8Array, not ${shownValue(description)}`);
    if (description.length > MAX_DESCRIPTION_BYTES) {
      throw memoryError(
        `a memory's description has ${description.length} bytes: the limit is ${MAX_DESCRIPTION_BYTES}`,
      );
    }
    const id = this.#nextId++;
    this.#memories.set(memory, { id, description: description.slice() });
    this.#files.set(id, file);
  }

  removeMemory(memory: DescribedMemory): boolean {
    const entry = this.#memories.get(memory);
    if (entry === undefined) return false;
    this.#files.delete(entry.id);
    return this.#memories.delete(memory);
  }

  addDevice(device: DeviceEntry): void {
    checkObject(device, "a device to tell of", "an object with its bdf and group");
    const { bdf, group } = device;
    checkGroupNumber(group);
    if (!isDeviceName(bdf)) throw deviceError(`${shownValue(bdf)} cannot be a device's address`);
    if (this.#devices.has(bdf)) throw deviceError(`device ${bdf} is in the list already`);
    if (this.#devices.size === MAX_DEVICES)
      throw deviceError(`${MAX_DEVICES} devices are in the list already: that is the limit`);
    this.#devices.set(bdf, device);
  }

  removeDevice(bdf: string): boolean {
    return this.#devices.delete(bdf);
  }

  groupState(group: number): GroupState {
    if (this.#groups.has(group)) return "shared";
    // A missing /dev/vfio/N alone does not tell "not bound to VFIO" from "no such group".
    return this.#groupExists(group) ? "not-shared" : "unknown";
  }

  /** @throws VfioError `ERR_VFIO_CLOSED` if the fd or its owner has gone meanwhile. */
  fdOf(attachment: Attachment): number {
    const file = this.#fileOf(attachment);
    if (file !== undefined) return file.fd;
    throw new VfioError("ERR_VFIO_CLOSED", `the ${attachment.kind} is not shared any more`);
  }

  #fileOf(attachment: Attachment): HasFd | undefined {
    switch (attachment.kind) {
      case "container":
        return this.#container;
      case "group":
        return this.#groups.get(attachment.group);
      case "memory":
        return this.#files.get(attachment.id);
    }
  }
}

function memoryError(message: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_MEMORIES", message);
}

function deviceError(message: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_DEVICES", message);
}
