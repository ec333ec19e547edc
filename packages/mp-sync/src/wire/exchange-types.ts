import type { DeviceEntry } from "./device-entry.js";
import type { LeaseTerms } from "./lease-messages.js";
import type { Answer } from "./protocol.js";

/** One packet as it came in, without its fds themselves: those are closed or kept by whoever received it. */
export interface IncomingPacket {
  /** The packet's data. */
  readonly bytes: Uint8Array;
  /** How many fds rode along. */
  readonly fds: number;
  /** True if bytes or fds did not fit and were thrown away. */
  readonly truncated: boolean;
}

/** A shared memory, as far as an exchange needs to know. */
export interface OfferedMemory {
  /** A number of its own: {@link Attachment} names it by this. */
  readonly id: number;
  /** What is sent with its fd. */
  readonly description: Uint8Array;
}

/** What a primary can say about a group: it shares it; it exists but is not shared; there is no such group. */
export type GroupState = "shared" | "not-shared" | "unknown";

/** What the primary has to offer, as far as an exchange needs to know. */
export interface ExchangeOffer {
  /** Whether a group is shared, exists, or neither. */
  groupState(group: number): GroupState;
  /** The shared memories, in order: what each is known by, and its description. */
  readonly memories: readonly OfferedMemory[];
  /** The container's IOMMU type, 0 if it is not known. */
  readonly iommuType: number;
  /** The primary's devices, in order. */
  readonly devices: readonly DeviceEntry[];
  /** Whether secondaries may map memory. If not, `REQ_LEASE` is an unknown request. */
  readonly grantsLeases: boolean;
}

/** What a secondary asked for: a group's number counts from 0, `unknown` is what this primary does not serve. */
export type MpRequest =
  | { readonly kind: "container" | "memory" | "IOMMU type" | "devices" }
  | { readonly kind: "group"; readonly group: number }
  | { readonly kind: "hello"; readonly version: number }
  | { readonly kind: "lease"; readonly terms: LeaseTerms }
  | { readonly kind: "unknown"; readonly code: number };

/** Whose fd rides along with a reply; a memory's `id` is its number in the offer. */
export type Attachment =
  | { readonly kind: "container" }
  | { readonly kind: "group"; readonly group: number }
  | { readonly kind: "memory"; readonly id: number };

/** An exchange that came to an answer. */
export interface Answered {
  /** It came to an answer. */
  readonly type: "answered";
  /** What was asked. */
  readonly request: MpRequest;
  /** What was answered. A refused lease counts as `ERR`. */
  readonly answer: Answer;
}

/** How an exchange ended: with an answer, or dropped because the client left or sent what is no request. */
export type ExchangeOutcome =
  Answered | { readonly type: "dropped"; readonly reason: "left" | "malformed"; readonly detail: string };

/**
 * What to do next, in order: send a packet, with an fd if one is attached; map the memory whose fd came with the packet
 * just fed, and say with `Exchange.decide` what came of it; note that a lease is granted, whose holder may stay as long
 * as it likes; undo its mapping; close the connection, which is always the last action.
 */
export type ExchangeAction =
  | { readonly type: "reply"; readonly bytes: Uint8Array; readonly attachment?: Attachment }
  | { readonly type: "lease"; readonly terms: LeaseTerms }
  | { readonly type: "leased"; readonly outcome: Answered }
  | { readonly type: "release" }
  | { readonly type: "close"; readonly outcome: ExchangeOutcome };
