import { kernel } from "../kernel/kernel.js";

/**
 * The size of the kernel's ordinary pages in bytes: 4096 on x86-64; 4096, 16384 or 65536 on arm64, as the kernel was
 * built (`sysconf(3)`, _SC_PAGESIZE). Mappings begin at a multiple of it.
 * @example
 * ```ts
 * import { createMemoryFile, systemPageBytes } from "@vfio/ioctl-native";
 *
 * const pageBytes = systemPageBytes();
 * using file = createMemoryFile({ bytes: 3 * pageBytes, pageBytes });
 * console.log(file.closed); // false
 * ```
 */
export function systemPageBytes(): number {
  return kernel().pageBytes();
}
