/**
 * Shares a VFIO container, its groups and DMA memory with other processes: VFIO lets nobody open a group
 * twice, so the primary gives its fds to secondaries over a local socket. Wire-compatible with the first
 * DPDK that had VFIO.
 *
 * @packageDocumentation
 */
export { FdServer } from "./server.js";
export type { FdServerOptions } from "./server-options.js";
export type { ClientOutcome, DropReason, ServerEvent } from "./server-events.js";
export type { DescribedMemory, NumberedGroup, SharedContainer } from "./shared.js";
export { LEASE_WINDOW, type Lease, type LeaseOptions } from "./leases.js";
export type { LeaseAccess, LeaseTerms, LeaseVerdict } from "./lease-messages.js";
export type { DeviceEntry } from "./device-entry.js";
export type { Capabilities } from "./capabilities.js";
export { sameUserOrRoot, type AccessPolicy } from "./access.js";
export {
  connectToPrimary,
  PrimaryPeer,
  SharedGroup,
  type ConnectOptions,
  type RequestOptions,
} from "./client.js";
export type { PrimaryHello, SharedMemory } from "./own-requests.js";
export { DmaLease, type DmaRequest } from "./dma-lease.js";
export { verifyVfioFd, type ExpectedFd, type FdVerifier } from "./verify.js";
export { DEFAULT_PREFIX, socketPath, type SocketPathOptions, type SocketPathUser } from "./socket-path.js";
export { groupExistsInSysfs, lookUpGroup, type GroupExists, type GroupState } from "./group-lookup.js";
export { Exchange, type Expected } from "./exchange.js";
export type {
  Answered,
  Attachment,
  ExchangeAction,
  ExchangeOffer,
  ExchangeOutcome,
  IncomingPacket,
  MpRequest,
  OfferedMemory,
} from "./exchange-types.js";
export { joinDpdkPrimary, type JoinDpdkOptions } from "./dpdk/join.js";
export { DpdkPrimary, type DpdkGroupOptions } from "./dpdk/dpdk-primary.js";
export {
  DPDK_PREFIX,
  dpdkRuntimeDirectory,
  type DpdkDirectoryOptions,
  type DpdkUser,
} from "./dpdk/runtime-directory.js";
export type { DpdkVersion } from "./dpdk/version.js";
/** The numbers of the protocol, and the encoder and decoder of its packets. */
export * as mpProtocol from "./protocol.js";
export type { Answer } from "./protocol.js";
