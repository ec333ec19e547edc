import type { Fd, HasFd, WaitLimits } from "@vfio/ioctl-native";
import { checkOptions, checkWaitLimits, runAll } from "@vfio/ioctl-native/internal";

/** An open container, group or device: the owner of its fd. */
export abstract class Closable implements HasFd, Disposable, AsyncDisposable {
  readonly #fd: Fd;
  readonly #checkFree: () => void;
  readonly #afterClose: readonly (() => void)[];
  #closing: Promise<void> | undefined;

  /**
   * @param checkFree throws if it is in use.
   * @param afterClose called after closing, also if the kernel reported an error.
   */
  constructor(fd: Fd, checkFree: () => void, afterClose: readonly (() => void)[]) {
    this.#fd = fd;
    this.#checkFree = checkFree;
    this.#afterClose = afterClose;
  }

  /** Throws `ERR_VFIO_CLOSED` after close. */
  get fd(): number {
    return this.#fd.fd;
  }

  /**
   * Closing twice does nothing. **May block** for seconds: with a device's last fd the kernel resets the device, if it
   * can; with the last fd of a container's last group, or of the container itself, it unmaps everything there.
   * {@link closeAsync} does not.
   * @throws VfioError: a `Device` throws `ERR_VFIO_DEVICE_IN_USE` while BARs are mapped or interrupts set up, a `Group`
   * `ERR_VFIO_GROUP_IN_USE` while devices opened through it are open, a `Container` `ERR_VFIO_CONTAINER_IN_USE` while it
   * has groups.
   */
  close(): void {
    if (this.#fd.closed) return;
    this.#checkFree();
    runAll([() => this.#fd.close(), ...this.#afterClose]);
  }

  /**
   * As {@link close}, off the event loop. This object is closed at once; its group or container can be closed when the
   * promise settles.
   * @param options if `signal` is aborted already, nothing is closed, and the promise rejects with its reason.
   */
  async closeAsync(options: Pick<WaitLimits, "signal"> = {}): Promise<void> {
    checkOptions("the options of closeAsync()", options);
    checkWaitLimits(options);
    if (this.#fd.closed) return this.#closing;
    this.#checkFree();
    this.#closing = this.#fd.closeAsync().finally(() => {
      this.#closing = undefined;
      runAll(this.#afterClose);
    });
    return this.#closing;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAsync();
  }
}
