import { check, closedError, kernel, type HasFd } from "@vfio/ioctl-native";

/** Set in the state once the owner has closed it; the rest of the state counts the accesses on their way. */
const CLOSED = 1 << 30;

/** The duplicate of a device's fd that threads share, as plain data for `postMessage`. */
export interface SharedFileData {
  /** A duplicate of the device's fd. It may be used only while the state says that it is open. */
  readonly fd: number;
  /** One 32-bit word: how many accesses are on their way, and whether the owner has closed it. */
  readonly state: SharedArrayBuffer;
}

/**
 * A duplicate of a device's fd that several threads reach the device by, and that one of them owns.
 *
 * A number alone could be another file's by the time a thread uses it. So each access is counted while it is on its
 * way, none begins after the owner's close, and the last one out closes the fd. No thread but the owner can keep the
 * device open: one that ends without a word leaves nothing behind.
 */
export class SharedFile implements HasFd {
  readonly fd: number;
  readonly #state: Int32Array<SharedArrayBuffer>;
  readonly #name: string;

  /** @param name for error messages: "BAR2 of 0000:00:10.0". */
  constructor({ fd, state }: SharedFileData, name: string) {
    this.fd = fd;
    this.#state = new Int32Array(state);
    this.#name = name;
  }

  /** Duplicates a device's fd. The caller becomes the owner. Throws VfioSystemError (`EMFILE`). */
  static of(device: HasFd, name: string): SharedFile {
    const fd = check(kernel().dup(device.fd), () => ({
      syscall: "fcntl",
      what: `cannot duplicate the device's fd to share ${name}`,
    }));
    return new SharedFile({ fd, state: new SharedArrayBuffer(4) }, name);
  }

  /** What another thread makes the same of. */
  get data(): SharedFileData {
    return { fd: this.fd, state: this.#state.buffer };
  }

  /** @throws VfioError `ERR_VFIO_CLOSED` once the owner has closed it. */
  checkOpen(): void {
    if ((Atomics.load(this.#state, 0) & CLOSED) !== 0) throw closedError(this.#name);
  }

  /** Does an access, during which the fd stays open. Throws as {@link checkOpen}, and what the access throws. */
  during<T>(access: () => T): T {
    this.#enter();
    try {
      return access();
    } finally {
      // The last one out closes it.
      if (Atomics.sub(this.#state, 0, 1) === CLOSED + 1) this.#close();
    }
  }

  /** The owner's, once: no access begins any more. */
  close(): void {
    if (Atomics.or(this.#state, 0, CLOSED) === 0) this.#close();
  }

  #enter(): void {
    for (;;) {
      this.checkOpen();
      const state = Atomics.load(this.#state, 0);
      // Counting oneself in and looking afterwards would be too late: the last one out may have closed it already.
      if ((state & CLOSED) === 0 && Atomics.compareExchange(this.#state, 0, state, state + 1) === state)
        return;
    }
  }

  #close(): void {
    check(kernel().close(this.fd), () => ({
      syscall: "close",
      what: `cannot close what ${this.#name} shared`,
    }));
  }
}
