import type { Fd } from "@vfio/ioctl-native";
import { errnoOf, hasErrno, openFile, VfioError, type HasFd } from "@vfio/ioctl-native";
import {
  checkExtension,
  getApiVersion,
  IOMMU_TYPES,
  readIommuInfo,
  setGroupContainer,
  setIommu,
  tryIommu,
  unsetGroupContainer,
  vfioConstants,
  type IommuInfo,
  type IommuType,
} from "@vfio/ioctl-native/vfio";
import {
  argumentError,
  printAs,
  fdState,
  checkFunction,
  checkHasFd,
  checkOptions,
  orUndo,
} from "@vfio/ioctl-native/internal";
import { Closable } from "./closable.js";
import { duplicate } from "./duplicate.js";
import { Group } from "./group.js";

const CONTAINER_PATH = "/dev/vfio/vfio";
const NAME = "the VFIO container";

/** Options of {@link Container.open}. */
export interface ContainerOptions {
  /** Default: `type1v2` if the kernel has it, else `type1`. */
  readonly iommuType?: "type1v2" | "type1";
}

/**
 * A VFIO container: devices whose groups it holds share one set of IOMMU mappings.
 *
 * The kernel forgets the IOMMU type and all mappings when the last group leaves; the next group sets it anew.
 * @example
 * ```ts
 * // needs a device
 * import { Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf("0000:00:10.0"));
 * console.log(container.iommuInfo().iovaRanges); // what can be mapped
 * ```
 */
export class Container extends Closable {
  static {
    printAs(Container, (it) => ({
      iommuType: it.iommuType,
      groups: [...it.#groups].map(({ number }) => number),
      ...fdState(it.#fd),
    }));
  }

  /** The IOMMU type that this container sets for its groups. */
  readonly iommuType: IommuType;
  readonly #fd: Fd;
  readonly #groups = new Set<Group>();
  readonly #groupListeners = new Set<() => void>();

  private constructor(fd: Fd, wanted: IommuType | undefined) {
    super(fd, () => this.#checkFree(), []);
    this.#fd = fd;
    this.#checkApiVersion();
    this.iommuType = this.#chooseType(wanted);
  }

  /**
   * Opens a new container (`/dev/vfio/vfio`) and checks the API version and the IOMMU extension.
   * @throws VfioSystemError (`ENOENT`, `EACCES`) with its remedy; VfioError `ERR_VFIO_API_VERSION`,
   * `ERR_VFIO_NO_IOMMU_TYPE`; VfioRangeError `ERR_VFIO_ARGUMENT`.
   */
  static open(options: ContainerOptions = {}): Container {
    checkOptions("the options of a container", options);
    checkIommuType(options.iommuType);
    return Container.#around(openFile(CONTAINER_PATH, { name: NAME, hint: openHint }), options);
  }

  /**
   * A container that is open elsewhere, such as in a primary process that passed its fd. The fd is duplicated: both
   * sides close their own. {@link groups} does not list groups of other processes; the IOMMU type they have set stays.
   * @throws VfioSystemError if `source` is no container (`ENOTTY`), or cannot be duplicated; and what {@link open}
   * throws.
   */
  static from(source: HasFd, options: ContainerOptions = {}): Container {
    checkHasFd("the container", "an object with a container's fd", source);
    checkOptions("the options of a container", options);
    checkIommuType(options.iommuType);
    return Container.#around(duplicate(source, NAME), options);
  }

  static #around(fd: Fd, { iommuType }: ContainerOptions): Container {
    return orUndo(
      () => new Container(fd, iommuType),
      () => fd.close(),
    );
  }

  /** In the order they came. */
  get groups(): readonly Group[] {
    return [...this.#groups];
  }

  /** VFIO's, always 0 so far. */
  get apiVersion(): number {
    return getApiVersion(this);
  }

  /**
   * True if the kernel has an extension (`VFIO_…_IOMMU` and others; see {@link vfioConstants}).
   * @throws VfioSystemError if the kernel does not answer; VfioRangeError `ERR_VFIO_IOCTL_ARGUMENT`.
   */
  supports(extension: number): boolean {
    const answer = checkExtension(this, extension, () => ({
      what: `cannot ask the VFIO container for its extension ${extension}`,
    }));
    return answer > 0;
  }

  /**
   * Opens a group, checks that it is viable, adds it to this container, and sets the IOMMU type with the first group:
   * all or nothing.
   * @param number of the group: {@link iommuGroupOf} knows a device's.
   * @throws VfioError `ERR_VFIO_GROUP_NOT_VIABLE` naming the culprits; VfioSystemError `EBUSY` naming the holder.
   */
  addGroup(number: number): Group {
    const group = Group.open(number);
    const add = (): void => {
      group.checkViable();
      this.attach(group);
    };
    orUndo(add, () => group.close());
    return group;
  }

  /**
   * Adds an open, viable group to this container, and sets the IOMMU type with the first one. {@link addGroup} also
   * opens and checks the group.
   * @throws VfioSystemError `EINVAL`, `EPERM` with the remedy; VfioRangeError `ERR_VFIO_ARGUMENT`. Also what a listener
   * of {@link onGroupAdded} throws: all are called, then the first error is thrown, and the group stays attached.
   */
  attach(group: Group): void {
    checkGroup(group);
    setGroupContainer(group, this, (errno) => ({
      what: `cannot add IOMMU group ${group.number} to the container`,
      hint: () => joinHint(errno, group),
    }));
    orUndo(
      () => this.#setIommuType(group.number),
      () => leave(group),
    );
    this.#groups.add(group);
    group.onClose(() => this.#groups.delete(group));
    this.#tellOfGroup();
  }

  /**
   * Calls back whenever a group has joined and the IOMMU type is set: with the first group mappings become possible,
   * and with the first after the last has left, all have to be made anew. {@link attach} throws a listener's error when
   * all have been called; {@link addGroup} then closes the group again.
   */
  onGroupAdded(listener: () => void): Disposable {
    checkFunction("the listener of a container", listener);
    this.#groupListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#groupListeners.delete(listener) };
  }

  /**
   * Page sizes, usable IOVA ranges, mappings left. They may change with every group that joins.
   * @throws VfioSystemError EINVAL before the first group has joined.
   */
  iommuInfo(): IommuInfo {
    return readIommuInfo(this);
  }

  #checkFree(): void {
    if (this.#groups.size === 0) return;
    const numbers = this.groups.map((group) => group.number).join(", ");
    throw new VfioError(
      "ERR_VFIO_CONTAINER_IN_USE",
      `cannot close the container: it still has ${this.#groups.size === 1 ? "group" : "groups"} ${numbers}`,
      { hint: "Close its groups first" },
    );
  }

  /**
   * The kernel accepts a type only with a group, whose IOMMU decides what is possible, and only once until the last
   * group has left. Other processes may have groups in the container and have set it: then EINVAL is no failure, and
   * the IOMMU answers.
   */
  #setIommuType(group: number): void {
    if (this.#groups.size > 0 && tryIommu(this) >= 0) return;
    try {
      setIommu(this, this.iommuType, (errno) => ({
        what: `cannot set IOMMU type ${this.iommuType} for group ${group}`,
        hint: attachHint(errno),
      }));
    } catch (error) {
      if (!(hasErrno(error, "EINVAL") && tryIommu(this) >= 0)) throw error;
    }
  }

  #tellOfGroup(): void {
    const errors: unknown[] = [];
    for (const listener of [...this.#groupListeners]) {
      try {
        listener();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #checkApiVersion(): void {
    const version = this.apiVersion;
    if (version === vfioConstants.VFIO_API_VERSION) return;
    throw new VfioError(
      "ERR_VFIO_API_VERSION",
      `the kernel speaks VFIO API version ${version}, this library version 0`,
    );
  }

  #chooseType(wanted: IommuType | undefined): IommuType {
    const candidates: IommuType[] = wanted === undefined ? ["type1v2", "type1"] : [wanted];
    const type = candidates.find((candidate) => this.supports(IOMMU_TYPES[candidate]));
    if (type !== undefined) return type;
    throw new VfioError(
      "ERR_VFIO_NO_IOMMU_TYPE",
      `the kernel offers no IOMMU of type ${candidates.join(" or ")}`,
      {
        hint: "Load its driver: modprobe vfio_iommu_type1. Is an IOMMU in use? ls /sys/kernel/iommu_groups",
      },
    );
  }
}

function openHint(errno: number): string | undefined {
  if (errno === errnoOf("ENOENT") || errno === errnoOf("ENODEV")) {
    return "Load the driver: modprobe vfio-pci. In a container, pass the device in: --device /dev/vfio/vfio";
  }
  if (errno === errnoOf("EACCES")) return "Its usual mode is 0666: chmod 0666 /dev/vfio/vfio, or run as root";
  return undefined;
}

function checkIommuType(type: unknown): void {
  if (type === undefined || (typeof type === "string" && Object.hasOwn(IOMMU_TYPES, type))) return;
  throw argumentError("iommuType", Object.keys(IOMMU_TYPES).join(" or "), type);
}

function checkGroup(group: unknown): void {
  checkHasFd("the group", "an open Group", group);
  if (!(group as { onClose?: unknown }).onClose) throw argumentError("the group", "an open Group", group);
}

function leave(group: Group): void {
  unsetGroupContainer(group, () => ({
    what: `cannot take IOMMU group ${group.number} out of the container`,
  }));
}

/** The group joins an IOMMU with a type already (vfio_iommu_type1_attach_group), or a container without one. */
function joinHint(errno: number, group: Group): string | undefined {
  if (errno === errnoOf("EINVAL") && group.status().inContainer)
    return "The group is in a container already; it leaves that container when all fds of the group are closed";
  return attachHint(errno);
}

function attachHint(errno: number): string | undefined {
  if (errno === errnoOf("EPERM"))
    return (
      "`dmesg` says why: a firmware 1:1 mapping (RMRR), or no interrupt remapping " +
      "(vfio_iommu_type1 allow_unsafe_interrupts=1 accepts that)"
    );
  if (errno === errnoOf("EINVAL"))
    return "The group's IOMMU does not fit the container: it reserves a range that is mapped there, or its pages are larger";
  return undefined;
}
