import { closedError, type HasFd, type PeerCredentials, type SeqpacketSocket } from "@vfio/ioctl-native";
import { sameUserOrRoot, type AccessPolicy } from "./access.js";
import { groupExistsInSysfs, type GroupExists } from "./group-lookup.js";
import { checkMaxClients, checkTimeout } from "./limits.js";
import { encodeAnswer, INT_BYTES } from "./protocol.js";
import { onProcessEnd } from "./process-end.js";
import { Reception } from "./reception.js";
import { ServedClient, type ClientService } from "./served-client.js";
import type { ServerEvent } from "./server-events.js";
import { Shared, type DescribedMemory, type NumberedGroup } from "./shared.js";
import { SocketFile } from "./socket-file.js";
import { socketPath, type SocketPathOptions } from "./socket-path.js";

/** Options of {@link FdServer.listen}. */
export interface FdServerOptions extends SocketPathOptions {
  /** The container itself, which every secondary then has too. Not closed by the server. */
  readonly container: HasFd;
  /** The groups to share. Not closed by the server. */
  readonly groups: readonly NumberedGroup[];
  /** Memory to share by file, e.g. what is mapped for DMA; at most 1024. Default: none. */
  readonly memories?: readonly DescribedMemory[] | undefined;
  /** Milliseconds a client has for its whole exchange, above 0. Default 2000. */
  readonly timeoutMs?: number | undefined;
  /** How many clients are served at once, from 1; more wait in the kernel's queue. Default 64. */
  readonly maxClients?: number | undefined;
  /** Who may ask. Default: this process's user and root. Others get ERR. */
  readonly allow?: AccessPolicy | undefined;
  /** Tells of each client, once, how its exchange ended. */
  readonly onEvent?: ((event: ServerEvent) => void) | undefined;
  /** Whether the machine has a group. Default: as sysfs says. */
  readonly groupExists?: GroupExists | undefined;
}

/**
 * The primary's side: gives the container, the groups and the shared memory to secondaries that ask for
 * them on a local socket (mode 0600). It never blocks the event loop, and a client that hangs costs the
 * others nothing. A listening server keeps the process alive; the socket file goes when the server or the
 * process ends, by a signal too.
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
  readonly #shared: Shared;
  readonly #socketFile: SocketFile;
  readonly #reception: Reception;
  readonly #service: ClientService;
  readonly #allow: AccessPolicy;
  readonly #onEvent: (event: ServerEvent) => void;
  readonly #clients = new Set<ServedClient>();
  readonly #forgetExit: () => void;
  readonly #waitingForIdle: (() => void)[] = [];
  #closed = false;

  private constructor(shared: Shared, socketFile: SocketFile, options: FdServerOptions) {
    const { timeoutMs = 2000, maxClients = 64, allow = sameUserOrRoot, onEvent = () => undefined } = options;
    this.#shared = shared;
    this.#socketFile = socketFile;
    this.#allow = (peer) => allow(peer);
    this.#onEvent = onEvent;
    this.#service = { offer: shared, fdOf: (attachment) => shared.fdOf(attachment), timeoutMs };
    this.#reception = new Reception(socketFile.listener, {
      hasRoom: () => this.#clients.size < maxClients,
      admit: (socket) => this.#admit(socket),
      onError: (error) => this.#tell({ type: "accept-failed", error }),
    });
    this.#forgetExit = onProcessEnd(() => socketFile.remove());
  }

  /**
   * Starts to serve secondaries. A dead primary's socket file is taken over.
   * @throws VfioError `ERR_VFIO_PRIMARY_ALREADY_RUNNING` (who it is: in the message),
   *   `ERR_VFIO_SOCKET_PATH_OCCUPIED`, `ERR_VFIO_GROUP_SHARED_TWICE`, `ERR_VFIO_CLOSED`; VfioRangeError
   *   `ERR_VFIO_FD`, `ERR_VFIO_GROUP_NUMBER`, `ERR_VFIO_MEMORIES`, `ERR_VFIO_TIMEOUT_RANGE`,
   *   `ERR_VFIO_MAX_CLIENTS`, `ERR_VFIO_SOCKET_PREFIX`, `ERR_VFIO_SOCKET_PATH`; VfioSystemError (ENOENT,
   *   EACCES, …).
   */
  static async listen(options: FdServerOptions): Promise<FdServer> {
    if (options.timeoutMs !== undefined) checkTimeout(options.timeoutMs);
    if (options.maxClients !== undefined) checkMaxClients(options.maxClients);
    const { container, groups, memories = [], groupExists = groupExistsInSysfs } = options;
    const shared = new Shared(container, memories, groupExists);
    for (const group of groups) shared.addGroup(group);
    const server = new FdServer(shared, await SocketFile.claim(socketPath(options)), options);
    try {
      server.#reception.open();
      return server;
    } catch (error) {
      server.close();
      throw error;
    }
  }

  /** The socket file's absolute path. */
  get path(): string {
    return this.#socketFile.path;
  }

  /** True after {@link close}. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How many clients are being served now. */
  get clients(): number {
    return this.#clients.size;
  }

  /**
   * Shares one more group from now on.
   * @throws VfioError `ERR_VFIO_GROUP_SHARED_TWICE`, `ERR_VFIO_CLOSED`; VfioRangeError
   *   `ERR_VFIO_GROUP_NUMBER`, `ERR_VFIO_FD`.
   */
  addGroup(group: NumberedGroup): void {
    if (this.#closed) throw closedError(`the server on ${this.path}`);
    this.#shared.addGroup(group);
  }

  /**
   * Stops sharing a group; who has its fd already keeps it.
   * @returns false if it was not shared.
   * @throws VfioError `ERR_VFIO_CLOSED`.
   */
  removeGroup(number: number): boolean {
    if (this.#closed) throw closedError(`the server on ${this.path}`);
    return this.#shared.removeGroup(number);
  }

  /** Lets the process end although the server listens. */
  unref(): void {
    this.#reception.setReferenced(false);
  }

  /** Undoes {@link unref}. */
  ref(): void {
    this.#reception.setReferenced(true);
  }

  /** Removes the socket file, stops listening and drops the clients being served, all at once. */
  close(): void {
    this.#stopListening();
    for (const client of this.#clients) client.drop("closed", "the server was closed");
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Removes the socket file, stops listening, and waits until the clients being served are through: at
   * most `timeoutMs`.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    if (this.#clients.size > 0) await new Promise<void>((resolve) => this.#waitingForIdle.push(resolve));
  }

  #stopListening(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forgetExit();
    this.#reception.close();
    this.#socketFile.close();
  }

  #admit(socket: SeqpacketSocket): void {
    const peer = peerOf(socket);
    const refusal = this.#refusalOf(peer);
    if (refusal !== undefined) {
      sendErrAndClose(socket);
      return this.#tell({ type: "dropped", reason: "refused", peer, ...refusal });
    }
    const client = new ServedClient(socket, this.#service, (outcome) =>
      this.#dismiss(client, { ...outcome, peer }),
    );
    this.#clients.add(client);
    client.start();
  }

  #refusalOf(peer: PeerCredentials): { detail: string; error?: unknown } | undefined {
    try {
      return this.#allow(peer) ? undefined : { detail: `uid ${peer.uid} is not allowed to ask` };
    } catch (error) {
      return { detail: "the access policy threw", error };
    }
  }

  #dismiss(client: ServedClient, event: ServerEvent): void {
    this.#clients.delete(client);
    this.#tell(event);
    this.#reception.open();
    if (this.#clients.size > 0) return;
    for (const resolve of this.#waitingForIdle.splice(0)) resolve();
  }

  #tell(event: ServerEvent): void {
    queueMicrotask(() => this.#onEvent(event));
  }
}

// Nobody's credentials are no reason to trust: uid -1 is no user's.
function peerOf(socket: SeqpacketSocket): PeerCredentials {
  try {
    return socket.peer;
  } catch {
    return { pid: -1, uid: -1, gid: -1 };
  }
}

// Closing a socket with an unread packet resets the connection, and the client would not see the ERR.
function sendErrAndClose(socket: SeqpacketSocket): void {
  try {
    socket.receive(INT_BYTES);
    socket.send(encodeAnswer("ERR"));
  } catch {
    return;
  } finally {
    socket.close();
  }
}
