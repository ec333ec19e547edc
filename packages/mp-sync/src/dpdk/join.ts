import { VfioError } from "@vfio/ioctl-native";
import { Deadline, undo } from "@vfio/ioctl-native/internal";
import { checkFunctions, checkRequest, checkTimeout } from "../argument-checks.js";
import type { RequestOptions } from "../secondary/client.js";
import { verifyVfioFd, type FdVerifier } from "../secondary/verify.js";
import { requireDialect } from "./dialect.js";
import { DpdkPrimary } from "./dpdk-primary.js";
import { noPrimaryError, PrimaryConfig } from "./primary-config.js";
import { dpdkRuntimeDirectory, type DpdkDirectoryOptions } from "./runtime-directory.js";
import type { DpdkVersion } from "./version.js";

const DEFAULT_TIMEOUT_MS = 5000;
/** Between two looks at a primary that is still initialising. */
const INITIALISING_MS = 50;

/** Options of {@link joinDpdkPrimary}. `signal` ends the joining, not the requests after it. */
export interface JoinDpdkOptions extends DpdkDirectoryOptions, RequestOptions {
  /** Checks each received fd, and throws unless it is what was asked for. Default: {@link verifyVfioFd}. */
  readonly verify?: FdVerifier | undefined;
}

/**
 * Joins a running DPDK primary (18.11 to 26.07) on this machine, as its user or as root. Reads its runtime directory
 * and waits until it is initialised; sends nothing before the first request.
 * @throws VfioError `ERR_VFIO_DPDK_NO_PRIMARY` (no directory, or nobody holds its lock), `ERR_VFIO_DPDK_VERSION`,
 * `ERR_VFIO_TIMEOUT` (not initialised in time); VfioSystemError EACCES; VfioRangeError `ERR_VFIO_SOCKET_PREFIX`,
 * `ERR_VFIO_SOCKET_PATH`, `ERR_VFIO_TIMEOUT_RANGE`, `ERR_VFIO_MP_ARGUMENT`; the signal's reason.
 * @example
 * ```ts
 * // needs a DPDK primary
 * import { joinDpdkPrimary } from "@vfio/mp-sync";
 * import { Group, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using primary = await joinDpdkPrimary(); // its prefix is "rte"
 * using group = Group.from(await primary.group(iommuGroupOf("0000:00:10.0")));
 * using device = group.openDevice("0000:00:10.0"); // which DPDK drives
 * ```
 */
export async function joinDpdkPrimary(options: JoinDpdkOptions = {}): Promise<DpdkPrimary> {
  const directory = dpdkRuntimeDirectory(options);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, verify = verifyVfioFd, signal } = options;
  checkTimeout(timeoutMs);
  checkFunctions({ verify });
  checkRequest(options);
  if (signal?.aborted === true) throw signal.reason;
  const config = PrimaryConfig.open(directory);
  try {
    const version = await initialisedVersion(config, directory, timeoutMs, signal);
    const dialect = requireDialect(version, directory);
    const pid = livingPid(config, directory);
    return DpdkPrimary.of({ directory, config, version, dialect, pid, timeoutMs, verify });
  } catch (error) {
    undo(error, [() => config[Symbol.dispose]()]);
  }
}

async function initialisedVersion(
  config: PrimaryConfig,
  directory: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<DpdkVersion> {
  const message = `the DPDK primary in ${directory} has not initialised itself within ${timeoutMs} ms`;
  const hint = "See the primary's own log, or allow more time (timeoutMs)";
  const atTimeout = (): VfioError => new VfioError("ERR_VFIO_TIMEOUT", message, { hint });
  using deadline = new Deadline(timeoutMs, atTimeout, signal);
  for (;;) {
    livingPid(config, directory);
    const version = config.version();
    if (version !== undefined) return version;
    await deadline.pause(INITIALISING_MS);
  }
}

function livingPid(config: PrimaryConfig, directory: string): number | undefined {
  const { locked, pid } = config.holder();
  if (locked) return pid === 0 ? undefined : pid;
  throw noPrimaryError(
    `the DPDK primary in ${directory} has ended: nobody holds the lock on ${config.path}`,
    "Start it again, then join it; it takes over the files in that directory",
  );
}
