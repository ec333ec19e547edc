import { check, errnoOf } from "../errors/errors.js";
import { kernel } from "../kernel/kernel.js";
import { closedError, type HasFd } from "./fd.js";
import type { PositionedFile } from "./file-io.js";

const CLOSED = errnoOf("EBADF");

/** A {@link SharedFile} as plain data for `postMessage`. */
export interface SharedFileData {
  /**
   * The file's number in the addon, which is never reused. An fd's number could name another file by the time of its
   * use.
   */
  readonly handle: number;
}

/**
 * A duplicate of a device's fd for several threads, owned by one. It is closed when its owner closes it or ends, and
 * accesses in progress are over. No other thread can keep the device open, however it ends.
 */
export class SharedFile implements PositionedFile {
  readonly #handle: number;
  readonly #name: string;

  /** @param name for error messages: "BAR2 of 0000:00:10.0". */
  constructor({ handle }: SharedFileData, name: string) {
    this.#handle = handle;
    this.#name = name;
  }

  /** Duplicates a device's fd. The calling thread becomes the owner. Throws VfioSystemError (`EMFILE`). */
  static of(device: HasFd, name: string): SharedFile {
    const handle = check(kernel().shareFile(device.fd), () => ({
      syscall: "fcntl",
      what: `cannot duplicate the device's fd to share ${name}`,
    }));
    return new SharedFile({ handle }, name);
  }

  /** For the constructor in another thread. */
  get data(): SharedFileData {
    return { handle: this.#handle };
  }

  /** @throws VfioError `ERR_VFIO_CLOSED` once the owner has closed it. */
  checkOpen(): void {
    if (!kernel().sharedFileIsOpen(this.#handle)) throw closedError(this.#name);
  }

  /** As `pread(2)`: the bytes read, or `-errno`. Throws as {@link checkOpen}. */
  pread(bytes: Uint8Array, offset: number): number {
    return this.#unlessClosed(kernel().sharedPread(this.#handle, bytes, offset));
  }

  /** As `pwrite(2)`. Throws as {@link checkOpen}. */
  pwrite(bytes: Uint8Array, offset: number): number {
    return this.#unlessClosed(kernel().sharedPwrite(this.#handle, bytes, offset));
  }

  /** For the owner alone: no access begins from then on. Closing twice does nothing. */
  close(): void {
    kernel().unshareFile(this.#handle);
  }

  #unlessClosed(result: number): number {
    if (result === CLOSED) throw closedError(this.#name);
    return result;
  }
}
