import type { SharedWebAssemblyMemory } from "@vfio/ioctl-native";

/** What is used here of WebAssembly: TypeScript declares it for browsers only, and without shared memory. */
interface Engine {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: SharedWebAssemblyMemory } },
  ) => { readonly exports: object };
}

/** The functions of compiled code, to work in a memory: a `LinearMemory`'s `memory`, or that of the thread that made it. */
export function instantiate(code: Uint8Array, memory: SharedWebAssemblyMemory): object {
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;
  return new Instance(new Module(code), { env: { memory } }).exports;
}
