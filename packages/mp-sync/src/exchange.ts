import type { GroupState } from "./group-lookup.js";
import {
  decodeInt,
  encodeAnswer,
  encodeInt,
  INT_BYTES,
  REQ_CONTAINER,
  REQ_GROUP,
  REQ_MEMORY,
  type Answer,
} from "./protocol.js";

/** One packet as it came in, without its fds themselves: those are closed or kept by whoever received it. */
export interface IncomingPacket {
  /** The packet's data. */
  readonly bytes: Uint8Array;
  /** How many fds rode along. */
  readonly fds: number;
  /** True if bytes or fds did not fit and were thrown away. */
  readonly truncated: boolean;
}

/** What a secondary asked for. */
export type MpRequest =
  | {
      /** `REQ_CONTAINER`. */
      readonly kind: "container";
    }
  | {
      /** `REQ_GROUP`. */
      readonly kind: "group";
      /** The group's number, from 0. */
      readonly group: number;
    }
  | {
      /** `REQ_MEMORY`. */
      readonly kind: "memory";
    }
  | {
      /** No request that this library knows. */
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
      /** Its place in the offer's list, from 0. */
      readonly index: number;
    };

/** An exchange that came to an answer. */
export interface Answered {
  /** It came to an answer. */
  readonly type: "answered";
  /** What was asked. */
  readonly request: MpRequest;
  /** What was answered. */
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

/** What to do next: send one packet, or close the connection (always the last action). */
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
      /** Close the connection. */
      readonly type: "close";
      /** How the exchange ended. */
      readonly outcome: ExchangeOutcome;
    };

/** What the primary has to offer, as far as an exchange needs to know. */
export interface ExchangeOffer {
  /** Whether a group is shared, exists, or neither. */
  groupState(group: number): GroupState;
  /** The descriptions of the shared memories, in order. */
  readonly memories: readonly Uint8Array[];
}

/**
 * The primary's side of one connection, as a pure state machine: packets in, actions out; no fd, no clock.
 * One connection serves one request.
 * @example
 * ```ts
 * import { Exchange, mpProtocol } from "@vfio/mp-sync";
 *
 * const exchange = new Exchange({ groupState: () => "unknown", memories: [] });
 * const request = mpProtocol.encodeInt(mpProtocol.REQ_CONTAINER);
 * const actions = exchange.feed({ bytes: request, fds: 0, truncated: false });
 * console.log(actions.map(({ type }) => type).join()); // reply,close
 * ```
 */
export class Exchange {
  readonly #offer: ExchangeOffer;
  #expected: "request" | "group number" | "nothing" = "request";

  constructor(offer: ExchangeOffer) {
    this.#offer = offer;
  }

  /** What the client has to send next. */
  get expected(): "request" | "group number" | "nothing" {
    return this.#expected;
  }

  /**
   * Takes one packet, or `undefined` when the client has left.
   * @returns what to do, in order; empty while another packet is needed, and after the end.
   */
  feed(packet: IncomingPacket | undefined): readonly ExchangeAction[] {
    const expected = this.#expected;
    if (expected === "nothing") return [];
    if (packet === undefined) return this.#drop("left", `left before it had sent a ${expected}`);
    return expected === "request" ? this.#onRequest(packet) : this.#onGroupNumber(packet);
  }

  #onRequest(packet: IncomingPacket): readonly ExchangeAction[] {
    const flaw = flawOf(packet);
    if (flaw !== undefined) return [reply("ERR"), ...this.#drop("malformed", `${flaw} as a request`)];
    const code = decodeInt(packet.bytes);
    switch (code) {
      case REQ_CONTAINER:
        return this.#answer({ kind: "container" }, "OK", [reply("OK", { kind: "container" })]);
      case REQ_GROUP:
        this.#expected = "group number";
        return [];
      case REQ_MEMORY:
        return this.#answer({ kind: "memory" }, "OK", this.#memoryReplies());
      default:
        return this.#answer({ kind: "unknown", code }, "ERR", [reply("ERR")]);
    }
  }

  #onGroupNumber(packet: IncomingPacket): readonly ExchangeAction[] {
    const flaw = flawOf(packet);
    if (flaw !== undefined) return this.#drop("malformed", `${flaw} as a group number`);
    const group = decodeInt(packet.bytes);
    if (group < 0) return this.#drop("malformed", `${group} as a group number`);
    const request: MpRequest = { kind: "group", group };
    switch (this.#offer.groupState(group)) {
      case "shared":
        return this.#answer(request, "OK", [reply("OK"), reply("OK", { kind: "group", group })]);
      case "not-shared":
        return this.#answer(request, "NO_FD", [reply("NO_FD")]);
      case "unknown":
        return this.#answer(request, "ERR", [reply("ERR")]);
    }
  }

  #memoryReplies(): ExchangeAction[] {
    const { memories } = this.#offer;
    const packets = memories.map<ExchangeAction>((bytes, index) => ({
      type: "reply",
      bytes,
      attachment: { kind: "memory", index },
    }));
    return [reply("OK"), { type: "reply", bytes: encodeInt(memories.length) }, ...packets];
  }

  #answer(request: MpRequest, answer: Answer, replies: readonly ExchangeAction[]): readonly ExchangeAction[] {
    return [...replies, this.#close({ type: "answered", request, answer })];
  }

  #drop(reason: "left" | "malformed", detail: string): readonly ExchangeAction[] {
    return [this.#close({ type: "dropped", reason, detail })];
  }

  #close(outcome: ExchangeOutcome): ExchangeAction {
    this.#expected = "nothing";
    return { type: "close", outcome };
  }
}

function reply(answer: Answer, attachment?: Attachment): ExchangeAction {
  const bytes = encodeAnswer(answer);
  return attachment === undefined ? { type: "reply", bytes } : { type: "reply", bytes, attachment };
}

function flawOf({ bytes, fds, truncated }: IncomingPacket): string | undefined {
  if (fds > 0) return `${fds} uninvited fd(s)`;
  if (truncated) return `more than ${INT_BYTES} bytes, or uninvited fds,`;
  if (bytes.length !== INT_BYTES) return `${bytes.length} byte(s)`;
  return undefined;
}
