import { kernel } from "../kernel/kernel.js";

/** This thread's ArrayBuffers on a mapping, for as long as anybody has them. */
export class Views {
  readonly #views = new Set<WeakRef<ArrayBuffer>>();
  readonly #collected = new FinalizationRegistry<WeakRef<ArrayBuffer>>((view) => this.#views.delete(view));

  add(view: ArrayBuffer): void {
    const reference = new WeakRef(view);
    this.#views.add(reference);
    this.#collected.register(view, reference);
  }

  detach(): void {
    for (const reference of this.#views) {
      const view = reference.deref();
      if (view !== undefined) kernel().detachView(view);
    }
    this.#views.clear();
  }
}
