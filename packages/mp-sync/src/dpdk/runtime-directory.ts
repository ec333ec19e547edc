import path from "node:path";
import { checkObject } from "../argument-checks.js";
import { checkName, checkPrefix } from "../socket/socket-path.js";

/** DPDK's own default for `--file-prefix`. */
export const DPDK_PREFIX = "rte";

/** Where a DPDK primary is. */
export interface DpdkDirectoryOptions {
  /** The primary's `--file-prefix`. Default `rte`. */
  readonly prefix?: string | undefined;
  readonly directory?: string | undefined;
}

/** The asking user, as far as the directory depends on it. */
export interface DpdkUser {
  /** Effective; 0 is root. */
  readonly uid: number;
  /** Only RUNTIME_DIRECTORY and XDG_RUNTIME_DIR count. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The runtime directory by DPDK's own rule: `$RUNTIME_DIRECTORY`; or `/var/run` for root, `$XDG_RUNTIME_DIR` for others
 * (`/tmp` if it is not set); then `dpdk/<prefix>`.
 * @throws VfioRangeError `ERR_VFIO_SOCKET_PREFIX`, `ERR_VFIO_SOCKET_PATH`, `ERR_VFIO_MP_ARGUMENT`.
 */
export function dpdkRuntimeDirectory(
  options: DpdkDirectoryOptions = {},
  user: DpdkUser = { uid: process.getuid?.() ?? 0, env: process.env },
): string {
  checkObject(options, "where a DPDK primary is", "given as an object of options");
  if (options.directory !== undefined) {
    checkName(options.directory, "the runtime directory of a DPDK primary");
    return path.resolve(options.directory);
  }
  const prefix = options.prefix ?? DPDK_PREFIX;
  checkPrefix(prefix);
  return path.join(baseFolder(user), "dpdk", prefix);
}

function baseFolder({ uid, env }: DpdkUser): string {
  const { RUNTIME_DIRECTORY, XDG_RUNTIME_DIR } = env;
  if (RUNTIME_DIRECTORY !== undefined) return RUNTIME_DIRECTORY;
  return uid === 0 ? "/var/run" : (XDG_RUNTIME_DIR ?? "/tmp");
}
