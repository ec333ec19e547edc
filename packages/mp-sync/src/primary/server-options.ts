import type { AccessPolicy } from "./admission.js";
import type { DeviceEntry } from "../wire/device-entry.js";
import type { LeaseOptions } from "./leases.js";
import type { ServerEvent } from "./server-events.js";
import type { DescribedMemory, GroupExists, NumberedGroup, SharedContainer } from "./shared-resources.js";
import type { SocketPathOptions } from "../socket/socket-path.js";

/** Options of {@link FdServer.listen}. */
export interface FdServerOptions extends SocketPathOptions {
  /** The container itself, which every secondary then has too. Not closed by the server. */
  readonly container: SharedContainer;
  /** The groups to share. Not closed by the server. */
  readonly groups: readonly NumberedGroup[];
  /** Memory to share by file, e.g. what is mapped for DMA; at most 1024. Default: none. */
  readonly memories?: readonly DescribedMemory[] | undefined;
  /** The devices to tell secondaries of; at most 1024, each by its own address. Default: none. */
  readonly devices?: readonly DeviceEntry[] | undefined;
  /**
   * What secondaries may map for DMA through this process, as long as they are connected; `false`: nothing.
   * Default: anywhere, within the limits of {@link LeaseOptions}.
   */
  readonly leases?: LeaseOptions | false | undefined;
  /** Milliseconds a client has for its whole exchange, above 0. Default 2000. */
  readonly timeoutMs?: number | undefined;
  /**
   * How many clients are served at once, from 1; more wait in the kernel's queue. Those that only hold a lease don't
   * count. Default 64.
   */
  readonly maxClients?: number | undefined;
  /** Who may ask. Default: this process's user and root. Others get ERR. */
  readonly allow?: AccessPolicy | undefined;
  /** Tells of each client how its exchange ended; of a lease, when it was granted and when it ended. */
  readonly onEvent?: ((event: ServerEvent) => void) | undefined;
  /** Whether the machine has a group. Default: as sysfs says. */
  readonly groupExists?: GroupExists | undefined;
}
