/** In milliseconds. The kernel reports no lost mapping, so the leases are checked this often. */
const INTERVAL_MS = 250;

/** A container that calls back when a group has joined; `@vfio/vfio-core`'s does. */
export interface TellsOfGroups {
  /** Calls back whenever a group has joined and mappings are possible. */
  onGroupAdded?(listener: () => void): Disposable;
}

/**
 * Checks leases while there are any: regularly, and as soon as a group joins, before any of its devices can be opened.
 * Does not keep this process alive.
 */
export class LeaseWatch implements Disposable {
  readonly #look: () => void;
  readonly #listener: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(container: TellsOfGroups, look: () => void) {
    this.#look = look;
    this.#listener = container.onGroupAdded?.(look);
  }

  setBusy(busy: boolean): void {
    if (busy === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = busy ? setInterval(this.#look, INTERVAL_MS).unref() : undefined;
  }

  [Symbol.dispose](): void {
    this.setBusy(false);
    this.#listener?.[Symbol.dispose]();
  }
}
