import type { DeviceEntry } from "./device-entry.js";
import type { LeaseTerms } from "./lease-messages.js";
import type { Answer } from "./protocol.js";

/** A received packet, without its fds: its receiver closes or keeps those. */
export interface IncomingPacket {
  readonly bytes: Uint8Array;
  readonly fds: number;
  /** True if bytes or fds did not fit and were dropped. */
  readonly truncated: boolean;
}

/** A shared memory, as an exchange sees it. */
export interface OfferedMemory {
  /** Names it in an {@link Attachment}. */
  readonly id: number;
  readonly description: Uint8Array;
}

/** Shared; existing but not shared; or not existing. */
export type GroupState = "shared" | "not-shared" | "unknown";

/** The primary's resources, as an exchange sees them. */
export interface ExchangeOffer {
  /** Whether a group is shared, exists, or neither. */
  groupState(group: number): GroupState;
  readonly memories: readonly OfferedMemory[];
  /** 0 if not known. */
  readonly iommuType: number;
  readonly devices: readonly DeviceEntry[];
  /** If false, `REQ_LEASE` is an unknown request. */
  readonly grantsLeases: boolean;
}

/** A secondary's request: group numbers count from 0, `unknown` is what this primary does not serve. */
export type MpRequest =
  | { readonly kind: "container" | "memory" | "IOMMU type" | "devices" }
  | { readonly kind: "group"; readonly group: number }
  | { readonly kind: "hello"; readonly version: number }
  | { readonly kind: "lease"; readonly terms: LeaseTerms }
  | { readonly kind: "unknown"; readonly code: number };

/** The fd that goes with a reply; a memory's `id` is its number in the offer. */
export type Attachment =
  | { readonly kind: "container" }
  | { readonly kind: "group"; readonly group: number }
  | { readonly kind: "memory"; readonly id: number };

/** An exchange that came to an answer. */
export interface Answered {
  readonly type: "answered";
  readonly request: MpRequest;
  /** A refused lease counts as `ERR`. */
  readonly answer: Answer;
}

/** How an exchange ended: with an answer, or dropped because the client left or sent no valid request. */
export type ExchangeOutcome =
  Answered | { readonly type: "dropped"; readonly reason: "left" | "malformed"; readonly detail: string };

/**
 * What to do next, in order: send a packet, with the attached fd; map the memory whose fd came with the last packet,
 * and pass the result to `Exchange.decide`; note that a lease is granted, whose holder may stay; unmap it; close the
 * connection, always the last action.
 */
export type ExchangeAction =
  | { readonly type: "reply"; readonly bytes: Uint8Array; readonly attachment?: Attachment }
  | { readonly type: "lease"; readonly terms: LeaseTerms }
  | { readonly type: "leased"; readonly outcome: Answered }
  | { readonly type: "release" }
  | { readonly type: "close"; readonly outcome: ExchangeOutcome };
