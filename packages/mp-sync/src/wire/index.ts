/**
 * The protocol between primary and secondary, without sockets: its numbers, the encoder and decoder of its packets, and
 * the primary's side of one connection, for peers of your own.
 *
 * @packageDocumentation
 */
export * from "./protocol.js";
export { Exchange, type Expected } from "./exchange.js";
export type {
  Answered,
  Attachment,
  ExchangeAction,
  ExchangeOffer,
  ExchangeOutcome,
  GroupState,
  IncomingPacket,
  MpRequest,
  OfferedMemory,
} from "./exchange-types.js";
export type { Capabilities } from "./capabilities.js";
export type { DeviceEntry } from "./device-entry.js";
export type { Lease, LeaseAccess, LeaseTerms, LeaseVerdict } from "./lease-messages.js";
