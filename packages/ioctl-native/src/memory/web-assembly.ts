/**
 * A shared WebAssembly memory: the language's own type where it is declared (TypeScript's `lib` has "DOM"), which
 * Node's types do not do.
 */
export type SharedWebAssemblyMemory = typeof globalThis extends {
  readonly WebAssembly: { readonly Memory: { readonly prototype: infer Memory } };
}
  ? Memory
  : { readonly buffer: SharedArrayBuffer };

interface MemoryDescriptor {
  readonly initial: number;
  readonly maximum: number;
  readonly shared: true;
}

interface Engine {
  readonly Memory: new (descriptor: MemoryDescriptor) => SharedWebAssemblyMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: object };
}

/** The size of WebAssembly's pages. */
export const WASM_PAGE_BYTES = 65536;

/** The engine, or `undefined` where there is none: `node --jitless`. */
export function webAssembly(): Engine | undefined {
  return (globalThis as { readonly WebAssembly?: Engine }).WebAssembly;
}
