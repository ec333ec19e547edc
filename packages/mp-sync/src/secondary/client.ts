import { Fd } from "@vfio/ioctl-native";
import {
  closedError,
  closings,
  fdState,
  printAs,
  runAll,
  undo,
  type Deadline,
} from "@vfio/ioctl-native/internal";
import { checkFunctions, checkRequest, checkTimeout } from "../argument-checks.js";
import type { Inquiry } from "./request-connection.js";
import type { DeviceEntry } from "../wire/device-entry.js";
import { DmaLease, type DmaRequest } from "./dma-lease.js";
import {
  requestDevices,
  requestHello,
  requestIommuType,
  requestMemory,
  type PrimaryHello,
  type SharedMemory,
} from "./extension-requests.js";
import { checkGroupNumber } from "../wire/protocol.js";
import { requestContainer, requestGroup } from "./requests.js";
import { socketPath, type SocketPathOptions } from "../socket/socket-path.js";
import { verifyVfioFd, type FdVerifier } from "./verify.js";

/** Limits of one request. */
export interface RequestOptions {
  /** Milliseconds for the whole exchange, above 0. Default: as for {@link connectToPrimary}, there 5000. */
  readonly timeoutMs?: number | undefined;
  /** Ends the request; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link connectToPrimary}. `signal` ends the connecting, not the requests after it. */
export interface ConnectOptions extends SocketPathOptions, RequestOptions {
  /**
   * Checks each received container and group fd, and throws unless it is what was asked for. Default:
   * {@link verifyVfioFd}.
   */
  readonly verify?: FdVerifier | undefined;
}

/** A group of the primary; its fd here is this process's own. */
export class SharedGroup extends Fd {
  static {
    printAs(SharedGroup, (it) => ({ number: it.number, ...fdState(it) }));
  }

  /** In `/dev/vfio` and sysfs. */
  readonly number: number;

  constructor(fd: number, number: number) {
    super(fd, `shared IOMMU group ${number}`);
    this.number = number;
  }
}

/**
 * The primary, as its secondary sees it. As in DPDK, each request has its own connection, and nothing stays open
 * between them. Closing closes all received fds.
 */
export class PrimaryPeer implements Disposable {
  static {
    printAs(PrimaryPeer, (it) => ({ path: it.path, groups: [...it.#groups.keys()], closed: it.#closed }));
  }

  readonly path: string;
  readonly #timeoutMs: number;
  readonly #verify: FdVerifier;
  readonly #container: Fd;
  readonly #groups = new Map<number, SharedGroup>();
  readonly #files = new Set<Fd | DmaLease>();
  readonly #underWay = new Set<Deadline>();
  #closed = false;

  private constructor(path: string, timeoutMs: number, verify: FdVerifier, container: Fd) {
    this.path = path;
    this.#timeoutMs = timeoutMs;
    this.#verify = verify;
    this.#container = container;
    this.#files.add(container);
  }

  /** @internal */
  static of(path: string, timeoutMs: number, verify: FdVerifier, container: Fd): PrimaryPeer {
    return new PrimaryPeer(path, timeoutMs, verify, container);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @throws VfioError `ERR_VFIO_CLOSED` after close. */
  get container(): Fd {
    this.#checkOpen();
    return this.#container;
  }

  /**
   * A group by its number. Asks the primary once for each group, again if the group's fd has been closed.
   * @param number from 0 to 2^31 - 1.
   * @throws VfioError `ERR_VFIO_GROUP_NO_FD` (it exists, but the primary has no fd),
   * `ERR_VFIO_GROUP_REFUSED` (the primary knows no such group), `ERR_VFIO_WRONG_FD`,
   * `ERR_VFIO_PROTOCOL`, `ERR_VFIO_PRIMARY_GONE`, `ERR_VFIO_TIMEOUT`, `ERR_VFIO_CLOSED`; VfioRangeError
   * `ERR_VFIO_GROUP_NUMBER`; VfioSystemError ENOENT, ECONNREFUSED, EACCES.
   */
  async group(number: number, options: RequestOptions = {}): Promise<SharedGroup> {
    this.#checkOpen();
    checkGroupNumber(number);
    checkRequest(options);
    const known = this.#knownGroup(number);
    if (known !== undefined) return known;
    const file = await requestGroup(this.#inquiry(options), number, this.#verify);
    return this.#rememberGroup(file, number);
  }

  /**
   * What the primary can do beyond giving its container and groups.
   * @throws VfioError `ERR_VFIO_PRIMARY_LACKS_REQUEST` (a primary of the 2014 protocol), `ERR_VFIO_PROTOCOL`,
   *   `ERR_VFIO_PRIMARY_GONE`, `ERR_VFIO_TIMEOUT`, `ERR_VFIO_CLOSED`; VfioSystemError ENOENT, ECONNREFUSED, EACCES.
   */
  async hello(options: RequestOptions = {}): Promise<PrimaryHello> {
    return requestHello(this.#inquiry(options));
  }

  /**
   * The container's IOMMU type: `VFIO_TYPE1_IOMMU` (1), `VFIO_TYPE1v2_IOMMU` (3), …; `undefined` if the primary does
   * not know.
   * @throws As {@link hello}.
   */
  async iommuType(options: RequestOptions = {}): Promise<number | undefined> {
    return requestIommuType(this.#inquiry(options));
  }

  /** The primary's devices, and which of them it has open; asked each time. @throws As {@link hello}. */
  async devices(options: RequestOptions = {}): Promise<DeviceEntry[]> {
    return requestDevices(this.#inquiry(options));
  }

  /** The memory that the primary shares; asked each time, with new fds. @throws As {@link hello}. */
  async memory(options: RequestOptions = {}): Promise<SharedMemory[]> {
    const memories = await requestMemory(this.#inquiry(options));
    this.#own(memories.map(({ file }) => file));
    return memories;
  }

  /**
   * Lets the primary map memory of this process for DMA. It stays mapped until the lease is closed or this process
   * ends, even by kill -9.
   * @throws As {@link hello}; and VfioError `ERR_VFIO_LEASE_CONFLICT` (another lease or mapping has a part of that
   * range; the message says which), `ERR_VFIO_LEASE_REFUSED` (`cause` has the errno); VfioRangeError
   * `ERR_VFIO_LEASE_RANGE`.
   */
  async mapDma(request: DmaRequest, options: RequestOptions = {}): Promise<DmaLease> {
    const lease = await DmaLease.request(this.#inquiry(options), request);
    this.#own([lease]);
    return lease;
  }

  /**
   * Closes every fd that came from the primary, and ends the leases and the requests in progress (`ERR_VFIO_CLOSED`).
   */
  close(): void {
    if (this.closed) return;
    this.#closed = true;
    for (const request of this.#underWay) request.end(this.#closedError());
    runAll(closings(this.#files));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #knownGroup(number: number): SharedGroup | undefined {
    const group = this.#groups.get(number);
    return group?.closed === false ? group : undefined;
  }

  // Each caller asks with its own signal and timeout; the first fd to arrive serves all of them.
  #rememberGroup(file: Fd, number: number): SharedGroup {
    this.#own([file]);
    const known = this.#knownGroup(number);
    if (known !== undefined) {
      file.close();
      return known;
    }
    const group = new SharedGroup(file.release(), number);
    this.#own([group]);
    this.#groups.set(number, group);
    return group;
  }

  #own(files: readonly (Fd | DmaLease)[]): void {
    if (this.closed) undo(this.#closedError(), closings(files));
    for (const file of this.#files) if (file.closed) this.#files.delete(file);
    for (const file of files) this.#files.add(file);
  }

  #inquiry(options: RequestOptions): Inquiry {
    this.#checkOpen();
    checkRequest(options);
    const { timeoutMs = this.#timeoutMs, signal } = options;
    return { path: this.path, timeoutMs: checkTimeout(timeoutMs), signal, underWay: this.#underWay };
  }

  #checkOpen(): void {
    if (this.closed) throw this.#closedError();
  }

  #closedError(): Error {
    return closedError(`the connection to the primary at ${this.path}`);
  }
}

/**
 * Joins a primary as its secondary, and takes its container.
 * @throws VfioSystemError ENOENT (no primary), ECONNREFUSED (a dead one's socket), EACCES; VfioError
 * `ERR_VFIO_CONTAINER_REFUSED`, `ERR_VFIO_WRONG_FD`, `ERR_VFIO_PROTOCOL`, `ERR_VFIO_PRIMARY_GONE`,
 * `ERR_VFIO_TIMEOUT`; VfioRangeError `ERR_VFIO_SOCKET_PREFIX`, `ERR_VFIO_SOCKET_PATH`,
 * `ERR_VFIO_TIMEOUT_RANGE`, `ERR_VFIO_MP_ARGUMENT`; the signal's reason.
 * @example
 * ```ts
 * // needs a primary
 * import { connectToPrimary } from "@vfio/mp-sync";
 * import { Group } from "@vfio/vfio-core";
 *
 * using peer = await connectToPrimary({ timeoutMs: 2000 });
 * using group = Group.from(await peer.group(4));
 * using device = group.openDevice("0000:00:10.0");
 * ```
 */
export async function connectToPrimary(options: ConnectOptions = {}): Promise<PrimaryPeer> {
  const path = socketPath(options);
  const { timeoutMs = 5000, verify = verifyVfioFd, signal } = options;
  checkFunctions({ verify });
  checkRequest(options);
  const container = await requestContainer({ path, timeoutMs: checkTimeout(timeoutMs), signal }, verify);
  return PrimaryPeer.of(path, timeoutMs, verify, container);
}
