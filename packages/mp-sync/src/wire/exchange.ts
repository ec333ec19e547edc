import { encodeCapabilities } from "./capabilities.js";
import { encodeDevice } from "./device-entry.js";
import type {
  Attachment,
  ExchangeAction,
  ExchangeOffer,
  ExchangeOutcome,
  IncomingPacket,
  MpRequest,
  OfferedMemory,
} from "./exchange-types.js";
import {
  decodeTerms,
  encodeVerdict,
  TERMS_BYTES,
  type LeaseTerms,
  type LeaseVerdict,
} from "./lease-messages.js";
import {
  decodeInt,
  encodeAnswer,
  encodeInt,
  INT_BYTES,
  PROTOCOL_VERSION,
  RELEASE,
  REQ_CONTAINER,
  REQ_DEVICES,
  REQ_GROUP,
  REQ_HELLO,
  REQ_IOMMU_TYPE,
  REQ_LEASE,
  REQ_MEMORY,
  type Answer,
} from "./protocol.js";

/** The client's next packet. */
export type Expected = "request" | "group number" | "protocol version" | "lease" | "release" | "nothing";

/**
 * The primary's side of one connection, as a pure state machine: packets in, actions out; no fd, no clock.
 * One connection serves one request.
 * @example
 * ```ts
 * import { Exchange, mpProtocol } from "@vfio/mp-sync";
 *
 * const exchange = new Exchange({
 *   groupState: () => "unknown",
 *   memories: [],
 *   iommuType: 3,
 *   devices: [],
 *   grantsLeases: false,
 * });
 * const request = mpProtocol.encodeInt(mpProtocol.REQ_CONTAINER);
 * const actions = exchange.feed({ bytes: request, fds: 0, truncated: false });
 * console.log(actions.map(({ type }) => type).join()); // reply,close
 * ```
 */
export class Exchange {
  readonly #offer: ExchangeOffer;
  #expected: Expected = "request";
  #leased: LeaseTerms | undefined;

  constructor(offer: ExchangeOffer) {
    this.#offer = offer;
  }

  get expected(): Expected {
    return this.#expected;
  }

  /** The size of the largest valid packet now. */
  get roomForBytes(): number {
    return this.#expected === "lease" ? TERMS_BYTES : INT_BYTES;
  }

  get roomForFds(): number {
    return this.#expected === "lease" ? 1 : 0;
  }

  /**
   * Takes one packet, or `undefined` when the client has left.
   * @returns what to do, in order; empty while another packet is needed, and after the end.
   */
  feed(packet: IncomingPacket | undefined): readonly ExchangeAction[] {
    const expected = this.#expected;
    if (expected === "nothing") return [];
    if (packet === undefined) return this.#drop("left", `left before it had sent a ${expected}`);
    switch (expected) {
      case "request":
        return this.#onRequest(packet);
      case "lease":
        return this.#onTerms(packet);
      default:
        return this.#onNumber(packet, expected);
    }
  }

  /** Takes the result of the lease that the last {@link feed} asked for. @returns what to do, in order. */
  decide(verdict: LeaseVerdict): readonly ExchangeAction[] {
    const terms = this.#leased;
    if (terms === undefined || this.#expected !== "nothing") return [];
    const replies = [reply("OK"), packetOf(encodeVerdict(verdict))];
    const request: MpRequest = { kind: "lease", terms };
    if (verdict.errno !== 0) return this.#answer(request, "ERR", replies);
    this.#expected = "release";
    return [...replies, { type: "leased", outcome: { type: "answered", request, answer: "OK" } }];
  }

  #onRequest(packet: IncomingPacket): readonly ExchangeAction[] {
    const flaw = flawOf(packet);
    if (flaw !== undefined) return [reply("ERR"), ...this.#drop("malformed", `${flaw} as a request`)];
    const code = decodeInt(packet.bytes);
    switch (code) {
      case REQ_CONTAINER:
        return this.#answer({ kind: "container" }, "OK", [reply("OK", { kind: "container" })]);
      case REQ_GROUP:
        return this.#expect("group number");
      case REQ_HELLO:
        return this.#expect("protocol version");
      case REQ_MEMORY:
        return this.#list("memory", this.#offer.memories.map(memoryPacket));
      case REQ_IOMMU_TYPE:
        return this.#answer({ kind: "IOMMU type" }, "OK", [reply("OK"), intPacket(this.#offer.iommuType)]);
      case REQ_DEVICES:
        return this.#list(
          "devices",
          this.#offer.devices.map((device) => packetOf(encodeDevice(device))),
        );
      case REQ_LEASE:
        return this.#offer.grantsLeases ? this.#expect("lease") : this.#unknown(code);
      default:
        return this.#unknown(code);
    }
  }

  #onNumber(
    packet: IncomingPacket,
    expected: "group number" | "protocol version" | "release",
  ): readonly ExchangeAction[] {
    const flaw = flawOf(packet);
    if (flaw !== undefined) return this.#drop("malformed", `${flaw} as a ${expected}`);
    const number = decodeInt(packet.bytes);
    switch (expected) {
      case "group number":
        return this.#onGroupNumber(number);
      case "protocol version":
        return this.#onVersion(number);
      case "release":
        return this.#onRelease(number);
    }
  }

  #onGroupNumber(group: number): readonly ExchangeAction[] {
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

  #onVersion(version: number): readonly ExchangeAction[] {
    if (version < 1) return this.#drop("malformed", `${version} as a protocol version`);
    const leases = this.#offer.grantsLeases;
    const capabilities = encodeCapabilities({ memory: true, iommuType: true, devices: true, leases });
    const replies = [reply("OK"), intPacket(PROTOCOL_VERSION), intPacket(capabilities)];
    return this.#answer({ kind: "hello", version }, "OK", replies);
  }

  #onTerms({ bytes, fds, truncated }: IncomingPacket): readonly ExchangeAction[] {
    const terms = decodeTerms(bytes);
    if (terms === undefined || fds !== 1 || truncated) {
      return this.#drop("malformed", `${bytes.length} byte(s) with ${fds} fd(s) as a lease`);
    }
    this.#leased = terms;
    this.#expected = "nothing";
    return [{ type: "lease", terms }];
  }

  #onRelease(number: number): readonly ExchangeAction[] {
    if (number !== RELEASE || this.#leased === undefined) {
      return this.#drop("malformed", `${number} as a release`);
    }
    const request: MpRequest = { kind: "lease", terms: this.#leased };
    return [{ type: "release" }, ...this.#answer(request, "OK", [reply("OK")])];
  }

  #expect(expected: Expected): readonly ExchangeAction[] {
    this.#expected = expected;
    return [];
  }

  #list(kind: "memory" | "devices", packets: readonly ExchangeAction[]): readonly ExchangeAction[] {
    return this.#answer({ kind }, "OK", [reply("OK"), intPacket(packets.length), ...packets]);
  }

  #unknown(code: number): readonly ExchangeAction[] {
    return this.#answer({ kind: "unknown", code }, "ERR", [reply("ERR")]);
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

/** Made once: nearly every exchange has one. */
const ANSWERS: Readonly<Record<Answer, Uint8Array>> = {
  OK: encodeAnswer("OK"),
  NO_FD: encodeAnswer("NO_FD"),
  ERR: encodeAnswer("ERR"),
};

function reply(answer: Answer, attachment?: Attachment): ExchangeAction {
  return packetOf(ANSWERS[answer], attachment);
}

function intPacket(value: number): ExchangeAction {
  return packetOf(encodeInt(value));
}

function memoryPacket({ id, description }: OfferedMemory): ExchangeAction {
  return packetOf(description, { kind: "memory", id });
}

function packetOf(bytes: Uint8Array, attachment?: Attachment): ExchangeAction {
  return attachment === undefined ? { type: "reply", bytes } : { type: "reply", bytes, attachment };
}

function flawOf({ bytes, fds, truncated }: IncomingPacket): string | undefined {
  if (fds > 0) return `${fds} uninvited fd(s)`;
  if (truncated) return `more than ${INT_BYTES} bytes, or uninvited fds,`;
  if (bytes.length !== INT_BYTES) return `${bytes.length} byte(s)`;
  return undefined;
}
