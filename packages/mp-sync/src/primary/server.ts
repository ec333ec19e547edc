import { type SeqpacketSocket } from "@vfio/ioctl-native";
import { closedError, groupExistsInSysfs, orUndo, printAs, runAll } from "@vfio/ioctl-native/internal";
import { peerOf, refusalOf, sameUserOrRoot, turnAway, type AccessPolicy } from "./admission.js";
import type { DeviceEntry } from "../wire/device-entry.js";
import { checkFunctions, checkLimit, checkList, checkObject, checkTimeout } from "../argument-checks.js";
import { LeaseWatch } from "./lease-watch.js";
import type { Lease } from "../wire/lease-messages.js";
import { Leases } from "./leases.js";
import { onProcessEnd } from "./process-end.js";
import { ConnectionAcceptor } from "./connection-acceptor.js";
import { ServedClient, type ClientService } from "./served-client.js";
import type { ClientOutcome, ServerEvent } from "./server-events.js";
import type { FdServerOptions } from "./server-options.js";
import { SharedResources, type DescribedMemory, type NumberedGroup } from "./shared-resources.js";
import { SocketFile } from "../socket/socket-file.js";
import { socketPath } from "../socket/socket-path.js";

/**
 * The primary's side: gives the container, the groups and the shared memory to secondaries over a local socket (mode
 * 0600), and maps memory for them while they are connected. A client that hangs does not delay the others. A listening
 * server keeps the process alive; the socket file goes when the server closes or the process ends in order. The next
 * primary takes over the file that a killed one leaves.
 * @example
 * ```ts
 * import { openFile } from "@vfio/ioctl-native";
 * import { connectToPrimary, FdServer } from "@vfio/mp-sync";
 *
 * // Any fd shows how it goes; in earnest it is a container's, and nobody passes `verify`.
 * using container = openFile("/dev/null");
 * const path = `/tmp/fd-server-${process.pid}.sock`;
 * await using server = await FdServer.listen({ path, container, groups: [] });
 * using peer = await connectToPrimary({ path, verify: () => undefined });
 * console.log(peer.container.fd !== container.fd); // true
 * ```
 */
export class FdServer implements AsyncDisposable, Disposable {
  static {
    printAs(FdServer, (it) => ({
      path: it.path,
      clients: it.#clients.size,
      leases: it.#leaseholders.size,
      closed: it.#closed,
    }));
  }

  readonly #shared: SharedResources;
  readonly #socketFile: SocketFile;
  readonly #acceptor: ConnectionAcceptor;
  readonly #service: ClientService;
  readonly #allow: AccessPolicy;
  readonly #onEvent: ((event: ServerEvent) => void) | undefined;
  readonly #clients = new Set<ServedClient>();
  readonly #leaseholders = new Set<ServedClient>();
  readonly #leaseWatch: LeaseWatch;
  readonly #forgetExit: () => void;
  readonly #waitingForIdle: (() => void)[] = [];
  #referenced = true;
  #closed = false;

  private constructor(
    shared: SharedResources,
    leases: Leases,
    socketFile: SocketFile,
    options: FdServerOptions,
  ) {
    const { timeoutMs = 2000, maxClients = 64, allow = sameUserOrRoot, onEvent } = options;
    this.#shared = shared;
    this.#socketFile = socketFile;
    this.#allow = (peer) => allow(peer);
    this.#onEvent = onEvent;
    this.#service = {
      offer: shared,
      leases,
      fdOf: (attachment) => shared.fdOf(attachment),
      timeoutMs,
      onLeased: (client, outcome) => this.#letStay(client, outcome),
      onEnd: (client, outcome) => this.#dismiss(client, outcome),
    };
    this.#acceptor = new ConnectionAcceptor(socketFile.listener, {
      hasRoom: () => this.#clients.size < maxClients,
      admit: (socket) => this.#admit(socket),
      onError: (error) => this.#tell({ type: "accept-failed", error }),
    });
    this.#leaseWatch = new LeaseWatch(options.container, () => this.#checkLeases());
    this.#forgetExit = onProcessEnd(() => this.close());
  }

  /**
   * Starts to serve secondaries. Takes over a dead primary's socket file.
   * @throws VfioError `ERR_VFIO_PRIMARY_ALREADY_RUNNING` (the message says who),
   * `ERR_VFIO_SOCKET_PATH_OCCUPIED`, `ERR_VFIO_GROUP_SHARED_TWICE`, `ERR_VFIO_CLOSED`; VfioRangeError
   * `ERR_VFIO_MP_ARGUMENT`, `ERR_VFIO_FD`, `ERR_VFIO_GROUP_NUMBER`, `ERR_VFIO_MEMORIES`, `ERR_VFIO_DEVICES`,
   * `ERR_VFIO_LEASES`,
   * `ERR_VFIO_TIMEOUT_RANGE`, `ERR_VFIO_MAX_CLIENTS`, `ERR_VFIO_SOCKET_PREFIX`, `ERR_VFIO_SOCKET_PATH`;
   * VfioSystemError (ENOENT, EACCES, …).
   */
  static async listen(options: FdServerOptions): Promise<FdServer> {
    const path = checkedPath(options);
    const { container, leases = {}, groupExists = groupExistsInSysfs } = options;
    const shared = new SharedResources(container, leases !== false, groupExists);
    const book = new Leases(container, leases === false ? {} : leases);
    for (const group of options.groups) shared.addGroup(group);
    for (const memory of options.memories ?? []) shared.addMemory(memory);
    for (const device of options.devices ?? []) shared.addDevice(device);
    const server = new FdServer(shared, book, await SocketFile.claim(path), options);
    orUndo(
      () => server.#acceptor.open(),
      () => server.close(),
    );
    return server;
  }

  /** Absolute. */
  get path(): string {
    return this.#socketFile.path;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The number of clients being served, without those that only hold a lease. */
  get clients(): number {
    return this.#clients.size;
  }

  /** What secondaries have mapped, in the order it came. */
  get leases(): readonly Lease[] {
    return this.#service.leases.all;
  }

  /**
   * Shares one more group from now on.
   * @throws VfioError `ERR_VFIO_GROUP_SHARED_TWICE`, `ERR_VFIO_CLOSED`; VfioRangeError
   *   `ERR_VFIO_GROUP_NUMBER`, `ERR_VFIO_FD`.
   */
  addGroup(group: NumberedGroup): void {
    this.#open().addGroup(group);
  }

  /**
   * Stops sharing a group; those who have its fd keep it.
   * @returns false if it was not shared.
   * @throws VfioError `ERR_VFIO_CLOSED`.
   */
  removeGroup(number: number): boolean {
    return this.#open().removeGroup(number);
  }

  /**
   * Shares one more memory from now on.
   * @throws VfioError `ERR_VFIO_CLOSED`; VfioRangeError `ERR_VFIO_MEMORIES`, `ERR_VFIO_FD`.
   */
  addMemory(memory: DescribedMemory): void {
    this.#open().addMemory(memory);
  }

  /**
   * Stops sharing a memory; those who have its fd keep it.
   * @param memory the same object that was added.
   * @returns false if it was not shared.
   * @throws VfioError `ERR_VFIO_CLOSED`.
   */
  removeMemory(memory: DescribedMemory): boolean {
    return this.#open().removeMemory(memory);
  }

  /**
   * Announces one more device to secondaries from now on. The object is read at each request: its `open` may change.
   * @throws VfioError `ERR_VFIO_CLOSED`; VfioRangeError `ERR_VFIO_DEVICES`, `ERR_VFIO_GROUP_NUMBER`.
   */
  addDevice(device: DeviceEntry): void {
    this.#open().addDevice(device);
  }

  /**
   * Stops announcing a device.
   * @returns false if there was none with that address.
   * @throws VfioError `ERR_VFIO_CLOSED`.
   */
  removeDevice(bdf: string): boolean {
    return this.#open().removeDevice(bdf);
  }

  /** Lets the process end in spite of the server and its leases, which are ended first. */
  unref(): void {
    this.#setReferenced(false);
  }

  /** Undoes {@link unref}. */
  ref(): void {
    this.#setReferenced(true);
  }

  /** Removes the socket file, stops listening, drops the clients being served and ends all leases, without waiting. */
  close(): void {
    const clients = [...this.#clients, ...this.#leaseholders];
    runAll([
      this.#forgetExit,
      () => this.#stopListening(),
      () => this.#leaseWatch[Symbol.dispose](),
      ...clients.map((client) => () => client.drop("closed", "the server was closed")),
      () => this.#service.leases.close(),
    ]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Removes the socket file, stops listening, waits for the clients being served (at most `timeoutMs`), and ends all
   * leases.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    if (this.#clients.size > 0) await new Promise<void>((resolve) => this.#waitingForIdle.push(resolve));
    this.close();
  }

  #setReferenced(referenced: boolean): void {
    this.#referenced = referenced;
    this.#acceptor.setReferenced(referenced);
    for (const client of this.#leaseholders) client.setReferenced(referenced);
  }

  #open(): SharedResources {
    if (this.#closed) throw closedError(`the server on ${this.path}`);
    return this.#shared;
  }

  #stopListening(): void {
    if (this.#closed) return;
    this.#closed = true;
    runAll([() => this.#acceptor.close(), () => this.#socketFile.close()]);
  }

  #admit(socket: SeqpacketSocket): void {
    const peer = peerOf(socket);
    const refusal = refusalOf(peer, this.#allow);
    if (refusal !== undefined) {
      turnAway(socket);
      return this.#tell({ type: "dropped", reason: "refused", peer, ...refusal });
    }
    const client = new ServedClient(socket, peer, this.#service);
    this.#clients.add(client);
    client.start();
  }

  #checkLeases(): void {
    for (const client of this.#leaseholders) client.checkLease();
  }

  #letStay(client: ServedClient, outcome: ClientOutcome): void {
    this.#leaseholders.add(client);
    this.#leaseWatch.setBusy(true);
    client.setReferenced(this.#referenced);
    this.#makeRoom(client, outcome);
  }

  #dismiss(client: ServedClient, outcome: ClientOutcome): void {
    this.#leaseholders.delete(client);
    this.#leaseWatch.setBusy(this.#leaseholders.size > 0);
    this.#makeRoom(client, outcome);
  }

  #makeRoom(client: ServedClient, outcome: ClientOutcome): void {
    this.#clients.delete(client);
    if (this.#onEvent !== undefined) this.#tell({ ...outcome, peer: client.peer });
    this.#acceptor.open();
    if (this.#clients.size > 0) return;
    for (const resolve of this.#waitingForIdle.splice(0)) resolve();
  }

  #tell(event: ServerEvent): void {
    if (this.#onEvent !== undefined) queueMicrotask(() => this.#onEvent?.(event));
  }
}

function checkedPath(options: FdServerOptions): string {
  checkObject(options, "the options of FdServer.listen()");
  const { timeoutMs, maxClients, groups, memories, devices, leases, allow, onEvent, groupExists } = options;
  if (timeoutMs !== undefined) checkTimeout(timeoutMs);
  if (maxClients !== undefined) checkLimit(maxClients, "maxClients", "ERR_VFIO_MAX_CLIENTS");
  checkList(groups, "groups");
  if (memories !== undefined) checkList(memories, "memories");
  if (devices !== undefined) checkList(devices, "devices");
  if (leases !== undefined && leases !== false) checkObject(leases, "leases", "an object or false");
  checkFunctions({ allow, onEvent, groupExists });
  return socketPath(options);
}
