import type { DeviceEntry } from "../wire/device-entry.js";
import type { GroupState } from "./group-lookup.js";
import type { LeaseTerms } from "../wire/lease-messages.js";
import type { Answer } from "../wire/protocol.js";

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

/** What a secondary asked for. */
export type MpRequest =
  | {
      /** `REQ_CONTAINER`, `REQ_MEMORY`, `REQ_IOMMU_TYPE`, `REQ_DEVICES`. */
      readonly kind: "container" | "memory" | "IOMMU type" | "devices";
    }
  | {
      /** `REQ_GROUP`. */
      readonly kind: "group";
      /** The group's number, from 0. */
      readonly group: number;
    }
  | {
      /** `REQ_HELLO`. */
      readonly kind: "hello";
      /** The secondary's protocol version. */
      readonly version: number;
    }
  | {
      /** `REQ_LEASE`. */
      readonly kind: "lease";
      /** What was to be mapped, and where. */
      readonly terms: LeaseTerms;
    }
  | {
      /** No request that this library knows, or one that this primary does not serve. */
      readonly kind: "unknown";
      /** The number that came. */
      readonly code: number;
    };

/** Whose fd rides along with a reply. */
export type Attachment =
  | {
      /** The container's. */
      readonly kind: "container";
    }
  | {
      /** A group's. */
      readonly kind: "group";
      /** The group's number. */
      readonly group: number;
    }
  | {
      /** A shared memory's. */
      readonly kind: "memory";
      /** Its number in the offer. */
      readonly id: number;
    };

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
  | Answered
  | {
      /** It came to none. */
      readonly type: "dropped";
      /** The client left too early, or sent what is no request. */
      readonly reason: "left" | "malformed";
      /** The reason in words. */
      readonly detail: string;
    };

/** What to do next, in order. A `lease` is answered with `Exchange.decide`; a `close` is always the last action. */
export type ExchangeAction =
  | {
      /** Send one packet. */
      readonly type: "reply";
      /** The packet's data. */
      readonly bytes: Uint8Array;
      /** The fd to send with it, if one belongs to it. */
      readonly attachment?: Attachment;
    }
  | {
      /** Map the memory whose fd came with the packet just fed, and say with `Exchange.decide` what came of it. */
      readonly type: "lease";
      /** What to map, and where. */
      readonly terms: LeaseTerms;
    }
  | {
      /** The lease is granted, and the client knows: it may hold the connection as long as it likes. */
      readonly type: "leased";
      /** What was asked and answered. */
      readonly outcome: Answered;
    }
  | {
      /** Undo the lease's mapping. */
      readonly type: "release";
    }
  | {
      /** Close the connection. */
      readonly type: "close";
      /** How the exchange ended. */
      readonly outcome: ExchangeOutcome;
    };
