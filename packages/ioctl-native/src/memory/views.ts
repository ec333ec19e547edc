import { kernel } from "../kernel/kernel.js";

/** The ArrayBuffers that this thread has on a mapping, for as long as anybody has them. */
export class Views {
  readonly #views = new Set<WeakRef<ArrayBuffer>>();
  readonly #collected = new FinalizationRegistry<WeakRef<ArrayBuffer>>((view) => this.#views.delete(view));

  /** Keeps a new one, to be detached. */
  add(view: ArrayBuffer): void {
    const reference = new WeakRef(view);
    this.#views.add(reference);
    this.#collected.register(view, reference);
  }

  /** Makes all their lengths 0. */
  detach(): void {
    for (const reference of this.#views) {
      const view = reference.deref();
      if (view !== undefined) kernel().detachView(view);
    }
    this.#views.clear();
  }
}
