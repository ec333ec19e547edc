/**
 * Shares a VFIO container, its groups and DMA memory with other processes: nobody can open a VFIO group twice, so the
 * primary gives its fds to secondaries over a local socket. Wire-compatible with the first DPDK that had VFIO.
 *
 * @packageDocumentation
 */
export { FdServer } from "./primary/server.js";
export type { FdServerOptions } from "./primary/server-options.js";
export type { ClientOutcome, DropReason, ServerEvent } from "./primary/server-events.js";
export type {
  DescribedMemory,
  GroupExists,
  NumberedGroup,
  SharedContainer,
} from "./primary/shared-resources.js";
export { LEASE_WINDOW, type LeaseOptions } from "./primary/leases.js";
export type { Lease, LeaseAccess, LeaseTerms } from "./wire/lease-messages.js";
export type { DeviceEntry } from "./wire/device-entry.js";
export type { Capabilities } from "./wire/capabilities.js";
export { sameUserOrRoot, type AccessPolicy } from "./primary/admission.js";
export {
  connectToPrimary,
  PrimaryPeer,
  SharedGroup,
  type ConnectOptions,
  type RequestOptions,
} from "./secondary/client.js";
export type { PrimaryHello, SharedMemory } from "./secondary/extension-requests.js";
export { DmaLease, type DmaRequest } from "./secondary/dma-lease.js";
export { verifyVfioFd, type ExpectedFd, type FdVerifier } from "./secondary/verify.js";
export {
  DEFAULT_PREFIX,
  socketPath,
  type SocketPathOptions,
  type SocketPathUser,
} from "./socket/socket-path.js";
export { groupExistsInSysfs } from "@vfio/ioctl-native/internal";
export { joinDpdkPrimary, type JoinDpdkOptions } from "./dpdk/join.js";
export { DpdkPrimary, type DpdkGroupOptions } from "./dpdk/dpdk-primary.js";
export { DPDK_PREFIX, dpdkRuntimeDirectory } from "./dpdk/runtime-directory.js";
export type { DpdkVersion } from "./dpdk/version.js";
export { Exchange } from "./wire/exchange.js";
export type { Answered, MpRequest } from "./wire/exchange-types.js";
/** The numbers of the protocol, and the encoder and decoder of its packets. */
export * as mpProtocol from "./wire/protocol.js";
export type { Answer } from "./wire/protocol.js";
