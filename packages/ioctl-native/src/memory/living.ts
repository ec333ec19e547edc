/** Things made of a resource that must be ended with it, for as long as anybody has them. */
export class Living<T extends object> {
  readonly #things = new Set<WeakRef<T>>();
  readonly #collected = new FinalizationRegistry<WeakRef<T>>((thing) => this.#things.delete(thing));
  readonly #end: (thing: T) => void;

  constructor(end: (thing: T) => void) {
    this.#end = end;
  }

  add(thing: T): void {
    const reference = new WeakRef(thing);
    this.#things.add(reference);
    this.#collected.register(thing, reference);
  }

  endAll(): void {
    for (const reference of this.#things) {
      const thing = reference.deref();
      if (thing !== undefined) this.#end(thing);
    }
    this.#things.clear();
  }
}
