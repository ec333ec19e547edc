import { VfioError, VfioRangeError, type HasFd } from "@vfio/ioctl-native";
import type { Attachment, ExchangeOffer } from "./exchange.js";
import { lookUpGroup, type GroupExists, type GroupState } from "./group-lookup.js";
import { checkGroupNumber, MAX_DESCRIPTION_BYTES, MAX_MEMORIES } from "./protocol.js";

/** A group that is open here, with the number it has in `/dev/vfio` and sysfs. */
export interface NumberedGroup extends HasFd {
  /** From 0 to 2^31 - 1. */
  readonly number: number;
}

/** Memory that can be mapped by whoever has its file, with a description that only its users understand. */
export interface DescribedMemory {
  /** The memory's file. Not closed by the server. */
  readonly file: HasFd;
  /** At most 65536 bytes. */
  readonly description: Uint8Array;
}

/** What a primary shares. It borrows the fds: opening and closing them stays its caller's business. */
export class Shared implements ExchangeOffer {
  readonly #container: HasFd;
  readonly #groups = new Map<number, HasFd>();
  readonly #memories: readonly DescribedMemory[];
  readonly #groupExists: GroupExists;
  readonly memories: readonly Uint8Array[];

  constructor(container: HasFd, memories: readonly DescribedMemory[], groupExists: GroupExists) {
    checkFd(container, "the container");
    checkMemories(memories);
    this.#container = container;
    this.#memories = [...memories];
    this.#groupExists = groupExists;
    this.memories = memories.map(({ description }) => description.slice());
  }

  addGroup(group: NumberedGroup): void {
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

  groupState(group: number): GroupState {
    return lookUpGroup(group, this.#groups, this.#groupExists);
  }

  /** @throws VfioError `ERR_VFIO_CLOSED` if the fd, or the group meanwhile, is gone. */
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
        return this.#memories[attachment.index]?.file;
    }
  }
}

function checkFd(file: HasFd, name: string): void {
  const { fd } = file;
  if (Number.isInteger(fd) && fd >= 0) return;
  throw new VfioRangeError("ERR_VFIO_FD", `${name} has ${fd} where a file descriptor belongs`);
}

function checkMemories(memories: readonly DescribedMemory[]): void {
  if (memories.length > MAX_MEMORIES) {
    throw new VfioRangeError(
      "ERR_VFIO_MEMORIES",
      `${memories.length} memories are too many to share: the limit is ${MAX_MEMORIES}`,
    );
  }
  memories.forEach(({ file, description }, index) => {
    checkFd(file, `memory ${index}`);
    if (description.length <= MAX_DESCRIPTION_BYTES) return;
    throw new VfioRangeError(
      "ERR_VFIO_MEMORIES",
      `the description of memory ${index} has ${description.length} bytes: the limit is ${MAX_DESCRIPTION_BYTES}`,
    );
  });
}
