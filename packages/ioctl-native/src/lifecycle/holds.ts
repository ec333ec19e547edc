import { printAs } from "../errors/printed.js";

/** The users of a resource, which must not be closed meanwhile. */
export class Holds {
  static {
    printAs(Holds, (it) => ({ reasons: it.reasons }));
  }

  readonly #holds = new Set<Hold>();

  /** Each reason once, in the order they came. */
  get reasons(): string[] {
    return [...new Set([...this.#holds].map(({ reason }) => reason))];
  }

  /**
   * Adds a user of the resource until the result is disposed of. Disposing twice does nothing.
   * @param reason who uses it and for what: for the error when closing.
   */
  add(reason: string): Disposable {
    const hold = new Hold(reason, this.#holds);
    this.#holds.add(hold);
    return hold;
  }
}

/** A class, not an object literal: every DMA mapping makes one, and a method costs nothing per object. */
class Hold implements Disposable {
  readonly reason: string;
  readonly #all: Set<Hold>;

  constructor(reason: string, all: Set<Hold>) {
    this.reason = reason;
    this.#all = all;
  }

  [Symbol.dispose](): void {
    this.#all.delete(this);
  }
}
