import { createMemoryFile, Mapping, type MapOptions } from "../../src/index.js";

/** A mapping of some ordinary pages. */
export function mapMemory(bytes: number, options: Partial<MapOptions> = {}): Mapping {
  using file = createMemoryFile({ bytes: Math.ceil(bytes / 4096) * 4096, pageBytes: 4096 });
  return Mapping.map({ file, bytes, name: "the test's memory", ...options });
}
