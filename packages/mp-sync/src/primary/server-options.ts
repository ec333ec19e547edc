import type { AccessPolicy } from "./admission.js";
import type { DeviceEntry } from "../wire/device-entry.js";
import type { LeaseOptions } from "./leases.js";
import type { ServerEvent } from "./server-events.js";
import type { DescribedMemory, GroupExists, NumberedGroup, SharedContainer } from "./shared-resources.js";
import type { SocketPathOptions } from "../socket/socket-path.js";

/** Options of {@link FdServer.listen}. */
export interface FdServerOptions extends SocketPathOptions {
  /** Every secondary gets it too. Not closed by the server. */
  readonly container: SharedContainer;
  /** The groups to share. Not closed by the server. */
  readonly groups: readonly NumberedGroup[];
  /** Memory to share by file, e.g. what is mapped for DMA; at most 1024. Default: none. */
  readonly memories?: readonly DescribedMemory[] | undefined;
  /** The devices to announce to secondaries; at most 1024, each by its own address. Default: none. */
  readonly devices?: readonly DeviceEntry[] | undefined;
  /**
   * What secondaries may map for DMA through this process while they are connected; `false`: nothing. Default: the
   * defaults of {@link LeaseOptions}.
   */
  readonly leases?: LeaseOptions | false | undefined;
  /** A client's time for its whole exchange, in milliseconds above 0. Default 2000. */
  readonly timeoutMs?: number | undefined;
  /**
   * The most clients served at once, from 1; more wait in the kernel's queue. Clients that only hold a lease do not
   * count. Default 64.
   */
  readonly maxClients?: number | undefined;
  /** Default: this process's user and root. Others get ERR. */
  readonly allow?: AccessPolicy | undefined;
  /** Called when a client's exchange has ended, and when a lease is granted or ends. */
  readonly onEvent?: ((event: ServerEvent) => void) | undefined;
  /** Whether the machine has a group. Default: as sysfs says. */
  readonly groupExists?: GroupExists | undefined;
}
