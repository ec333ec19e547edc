import { VfioError } from "@vfio/ioctl-native";
import type { PrimaryConfig } from "./primary-config.js";

/** In milliseconds. A datagram socket does not learn that its peer has ended, so the lock is checked this often. */
const INTERVAL_MS = 250;

/** Notices when a primary lets go of its lock, which it keeps until it ends. Does not keep this process alive. */
export class PrimaryWatch implements Disposable {
  readonly #gone = new AbortController();
  readonly #timer: NodeJS.Timeout;

  readonly #isThere: () => boolean;
  readonly #error: () => VfioError;

  /** @param pid the lock's holder; another pid is a new primary, for which nothing of the first one holds. */
  constructor(config: PrimaryConfig, directory: string, pid: number | undefined) {
    this.#isThere = () => {
      const holder = config.holder();
      return holder.locked && (pid === undefined || holder.pid === pid);
    };
    this.#error = () => primaryGoneError(directory, pid);
    this.#timer = setInterval(() => this.look(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Checks now, before a request is sent: a new primary might be of another version. */
  look(): void {
    if (this.signal.aborted || this.#isThere()) return;
    this[Symbol.dispose]();
    this.#gone.abort(this.#error());
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function primaryGoneError(directory: string, pid: number | undefined): VfioError {
  const who = pid === undefined ? "" : ` (process ${pid})`;
  return new VfioError(
    "ERR_VFIO_PRIMARY_GONE",
    `the DPDK primary in ${directory}${who} has ended: nobody holds the lock on its config any more`,
    {
      hint: "Close the fds that came from it: the device stays busy until then. Once it runs again, join it again",
    },
  );
}
