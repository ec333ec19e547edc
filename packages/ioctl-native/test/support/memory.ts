import { createMemoryFile, LinearMemory, Mapping, type Fd, type MapOptions } from "../../src/index.js";

/** A file of ordinary pages. */
export function memoryFile(bytes = 4096): Fd {
  return createMemoryFile({ bytes: Math.ceil(bytes / 4096) * 4096, pageBytes: 4096 });
}

/** A mapping of some ordinary pages. */
export function mapMemory(bytes: number, options: Partial<MapOptions> = {}): Mapping {
  using file = memoryFile(bytes);
  return Mapping.map({ file, bytes, name: "the test's memory", ...options });
}

/** Where a mapping may lie; its registers answer by native calls, or within a WebAssembly memory without. */
export const PLACES: readonly [string, () => LinearMemory | undefined][] = [
  ["", () => undefined],
  [" within a WebAssembly memory", () => new LinearMemory({ bytes: 2 ** 20 })],
];
