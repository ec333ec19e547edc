import { VfioError } from "@vfio/ioctl-native";

/**
 * One AbortSignal for a time limit and any number of other signals. Dispose it when the work is done. At
 * the limit the reason is a VfioError `ERR_VFIO_TIMEOUT`.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #sources: readonly AbortSignal[];

  constructor(
    timeoutMs: number,
    error: { readonly message: string; readonly hint: string },
    sources: readonly AbortSignal[],
  ) {
    this.#sources = sources;
    this.#timer = setTimeout(
      () => this.#controller.abort(new VfioError("ERR_VFIO_TIMEOUT", error.message, { hint: error.hint })),
      timeoutMs,
    );
    for (const source of sources) source.addEventListener("abort", this.#forward, { once: true });
    this.#forward();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #forward = (): void => {
    const aborted = this.#sources.find((source) => source.aborted);
    if (aborted !== undefined) this.#controller.abort(aborted.reason);
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const source of this.#sources) source.removeEventListener("abort", this.#forward);
  }
}
