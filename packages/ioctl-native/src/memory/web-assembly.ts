/** What this package uses of WebAssembly: neither Node's types nor the language's own declare it, those of browsers do. */
export interface SharedWebAssemblyMemory {
  /** Its bytes, which every thread that has the memory shares. */
  readonly buffer: SharedArrayBuffer;
}

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
