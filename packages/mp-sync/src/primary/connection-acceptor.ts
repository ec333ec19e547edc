import { watchFd, type FdWatcher, type SeqpacketListener, type SeqpacketSocket } from "@vfio/ioctl-native";

const BATCH = 64;
const BACK_OFF_MS = 100;

/** The acceptor's calls of its server. None of these may throw. */
export interface AcceptingServer {
  hasRoom(): boolean;
  admit(socket: SeqpacketSocket): void;
  onError(error: unknown): void;
}

/**
 * Takes connections while there is room, in batches, so that a crowd does not hold up the event loop; the others wait
 * in the kernel's queue.
 */
export class ConnectionAcceptor {
  readonly #listener: SeqpacketListener;
  readonly #server: AcceptingServer;
  #watcher: FdWatcher | undefined;
  #backOff: NodeJS.Timeout | undefined;
  #referenced = true;
  #closed = false;

  constructor(listener: SeqpacketListener, server: AcceptingServer) {
    this.#listener = listener;
    this.#server = server;
  }

  open(): void {
    if (this.#closed || this.#watcher !== undefined || this.#backOff !== undefined) return;
    this.#watcher = watchFd(this.#listener, this.#acceptBatch);
    if (!this.#referenced) this.#watcher.unref();
  }

  close(): void {
    this.#closed = true;
    this.#pause();
    clearTimeout(this.#backOff);
  }

  setReferenced(referenced: boolean): void {
    this.#referenced = referenced;
    for (const handle of [this.#watcher, this.#backOff]) {
      if (referenced) handle?.ref();
      else handle?.unref();
    }
  }

  readonly #acceptBatch = (): void => {
    try {
      for (let taken = 0; taken < BATCH; taken++) {
        if (!this.#server.hasRoom()) return this.#pause();
        const socket = this.#listener.accept();
        if (socket === undefined) return;
        this.#server.admit(socket);
      }
    } catch (error) {
      this.#pauseForAWhile();
      this.#server.onError(error);
    }
  };

  #pause(): void {
    this.#watcher?.stop();
    this.#watcher = undefined;
  }

  // Without free fds, accept() fails and the connection stays in the queue: the loop would spin.
  #pauseForAWhile(): void {
    this.#pause();
    this.#backOff = setTimeout(() => {
      this.#backOff = undefined;
      this.open();
    }, BACK_OFF_MS);
    if (!this.#referenced) this.#backOff.unref();
  }
}
