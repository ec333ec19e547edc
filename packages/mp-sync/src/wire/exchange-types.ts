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

/** A secondary's request. */
export type MpRequest =
  | { readonly kind: "container" | "memory" | "IOMMU type" | "devices" }
  | { readonly kind: "group"; readonly group: number }
  | {
      readonly kind: "hello";
      /** The secondary's version of the protocol. */
      readonly version: number;
    }
  | { readonly kind: "lease"; readonly terms: LeaseTerms }
  | {
      /** A request that this library does not know, or this primary does not serve. */
      readonly kind: "unknown";
      /** The request's number, as received. */
      readonly code: number;
    };

/** The fd that goes with a reply. */
export type Attachment =
  | { readonly kind: "container" }
  | { readonly kind: "group"; readonly group: number }
  | {
      readonly kind: "memory";
      /** Its number in the offer. */
      readonly id: number;
    };

/** An exchange that came to an answer. */
export interface Answered {
  readonly type: "answered";
  readonly request: MpRequest;
  /** A refused lease counts as `ERR`. */
  readonly answer: Answer;
}

/** How an exchange ended: with an answer, or dropped because the client left or sent no valid request. */
export type ExchangeOutcome =
  | Answered
  | {
      readonly type: "dropped";
      readonly reason: "left" | "malformed";
      /** The reason in words. */
      readonly detail: string;
    };

/** What to do next. */
export type ExchangeAction =
  | {
      /** Send a packet, with the attached fd. */
      readonly type: "reply";
      readonly bytes: Uint8Array;
      readonly attachment?: Attachment;
    }
  | {
      /** Map the memory whose fd came with the last packet, and pass the result to `Exchange.decide`. */
      readonly type: "lease";
      readonly terms: LeaseTerms;
    }
  | {
      /** The lease is granted, and the client knows: it may hold the connection as long as it likes. */
      readonly type: "leased";
      readonly outcome: Answered;
    }
  | {
      /** Unmap the lease. */
      readonly type: "release";
    }
  | {
      /** Close the connection: always the last action. */
      readonly type: "close";
      readonly outcome: ExchangeOutcome;
    };
