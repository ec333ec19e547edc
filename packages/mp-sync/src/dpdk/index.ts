/**
 * A Node.js process beside a live DPDK primary, in DPDK's present protocol.
 *
 * @packageDocumentation
 */
export { joinDpdkPrimary, type JoinDpdkOptions } from "./join.js";
export { DpdkPrimary, type DpdkGroupOptions } from "./dpdk-primary.js";
export {
  DPDK_PREFIX,
  dpdkRuntimeDirectory,
  type DpdkDirectoryOptions,
  type DpdkUser,
} from "./runtime-directory.js";
export type { DpdkVersion } from "./version.js";
