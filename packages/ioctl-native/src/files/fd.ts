import { constants } from "node:fs";
import { checkOptions, checkText, shownValue } from "../errors/argument-error.js";
import { check, VfioError, VfioRangeError } from "../errors/errors.js";
import { kernel } from "../kernel/kernel.js";
import { printAs } from "../errors/printed.js";

/** Anything with an open file descriptor: the packages of this library meet by this shape. */
export interface HasFd {
  /** A whole number from 0. */
  readonly fd: number;
}

const MAX_FD = 2 ** 31 - 1;

/**
 * The owner of one file descriptor. fd 0 is a value like any other. Closing twice does nothing; using it after its
 * close throws `ERR_VFIO_CLOSED`. The descriptor also belongs to the thread that made this object, and is closed when
 * that thread ends, however it ends. To hand it to another thread, {@link Fd.release} it; a number for which two
 * threads have an object is closed by the end of neither.
 * @example
 * ```ts
 * import { Fd, openFile } from "@vfio/ioctl-native";
 *
 * using zero = openFile("/dev/zero", { flags: 0 });
 * using copy: Fd = zero.duplicate();
 * console.log(copy.fd !== zero.fd); // true
 * ```
 */
export class Fd implements HasFd, Disposable {
  static {
    printAs(Fd, (it) => ({ name: it.#name, ...fdState(it) }));
  }

  readonly #name: string;
  #fd: number | undefined;

  /**
   * @param fd an open file descriptor, which then belongs to this object.
   * @param name for error messages: "IOMMU group 5". Default: its number.
   * @throws VfioRangeError `ERR_VFIO_FD` if it cannot be a file descriptor.
   */
  constructor(fd: number, name = `fd ${shownValue(fd)}`) {
    if (!Number.isInteger(fd) || fd < 0 || fd > MAX_FD) {
      throw new VfioRangeError("ERR_VFIO_FD", `${shownValue(fd)} cannot be the file descriptor of ${name}`);
    }
    checkText("the name of an fd", name);
    this.#fd = fd;
    this.#name = name;
    kernel().ownFd?.(fd);
  }

  /** Throws VfioError `ERR_VFIO_CLOSED` after close or release. */
  get fd(): number {
    if (this.#fd === undefined) throw closedError(this.#name);
    return this.#fd;
  }

  /** True after {@link close} or {@link release}. */
  get closed(): boolean {
    return this.#fd === undefined;
  }

  /** A second, independent descriptor for the same open file. */
  duplicate(): Fd {
    const what = `cannot duplicate ${this.#name}`;
    return new Fd(
      check(kernel().dup(this.fd), () => ({ syscall: "fcntl", what })),
      this.#name,
    );
  }

  /** Hands the descriptor to the caller, who closes it: it no longer belongs to this object and thread. */
  release(): number {
    const fd = this.#take();
    kernel().disownFd?.(fd);
    return fd;
  }

  /** Closing twice does nothing. A device's last close waits for its reset. */
  close(): void {
    if (this.#fd === undefined) return;
    // Linux frees the number even when close() reports an error, so it must never be closed again.
    this.#checkClosed(kernel().close(this.#take()));
  }

  /** As {@link close}, off the event loop. The object is closed at once, the descriptor when the promise is settled. */
  async closeAsync(): Promise<void> {
    if (this.#fd === undefined) return;
    this.#checkClosed(await kernel().closeAsync(this.#take()));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(): number {
    const fd = this.fd;
    this.#fd = undefined;
    return fd;
  }

  #checkClosed(result: number): void {
    check(result, () => ({ syscall: "close", what: `cannot close ${this.#name}` }));
  }
}

/** Options of {@link openFile}. */
export interface OpenOptions {
  /** `O_…` flags; close-on-exec is always added. Default `O_RDWR`. */
  readonly flags?: number;
  /** Mode of a file that is created. Default 0o600. */
  readonly mode?: number;
  /** For error messages. Default: the path. */
  readonly name?: string;
  /** The remedy for an errno, given as `-errno`. */
  readonly hint?: (errno: number) => string | undefined;
}

/** Opens a file (`open(2)`). @throws VfioSystemError with `path`, and the hint that `options.hint` gives. */
export function openFile(path: string, options: OpenOptions = {}): Fd {
  checkText("the path of a file", path);
  checkOptions("the options of openFile()", options);
  const name = options.name ?? path;
  const result = kernel().open(path, options.flags ?? constants.O_RDWR, options.mode ?? 0o600);
  const what = name === path ? `cannot open ${path}` : `cannot open ${name} (${path})`;
  const fd = check(result, () => ({ syscall: "open", what, path, hint: () => options.hint?.(result) }));
  return new Fd(fd, name);
}

export function fdState(file: Fd): { fd: number | undefined; closed: boolean } {
  return { fd: file.closed ? undefined : file.fd, closed: file.closed };
}

export function closedError(name: string): VfioError {
  return new VfioError("ERR_VFIO_CLOSED", `${name} is closed and cannot be used any more`);
}
