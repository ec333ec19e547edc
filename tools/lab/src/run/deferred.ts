/** A promise settled from outside. (Promise.withResolvers came with Node.js 22.) */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (reason: Error) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Nobody may be waiting when it is rejected.
    this.promise.catch(() => undefined);
  }
}
