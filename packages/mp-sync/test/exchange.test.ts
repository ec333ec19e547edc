import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Exchange } from "../src/wire/exchange.js";
import type { ExchangeAction, ExchangeOffer, IncomingPacket } from "../src/wire/exchange-types.js";
import { encodeTerms, type LeaseTerms } from "../src/wire/lease-messages.js";
import { hex, int } from "./support/wire.js";

const offer: ExchangeOffer = {
  groupState: (group) => (group === 0 || group === 7 ? "shared" : group === 8 ? "not-shared" : "unknown"),
  memories: [
    { id: 4, description: Uint8Array.of(1, 2, 3) },
    { id: 9, description: Uint8Array.of() },
  ],
  iommuType: 3,
  devices: [{ bdf: "0000:00:10.0", group: 4, open: true }],
  grantsLeases: true,
};

/** What a client sends: an int, other bytes, a whole packet, or nothing any more. */
type Sent = number | Uint8Array | IncomingPacket | undefined;

const packet = (bytes: Uint8Array, fds = 0, truncated = false): IncomingPacket => ({ bytes, fds, truncated });

function packetOf(sent: Sent): IncomingPacket | undefined {
  if (typeof sent === "number") return packet(int(sent));
  return sent instanceof Uint8Array ? packet(sent) : sent;
}

function feed(exchange: Exchange, ...all: readonly Sent[]): string[] {
  return all.flatMap((sent) => exchange.feed(packetOf(sent))).map(describeAction);
}

function describeAction(action: ExchangeAction): string {
  switch (action.type) {
    case "reply": {
      const rider = action.attachment === undefined ? "" : ` + ${JSON.stringify(action.attachment)}`;
      return `send ${Buffer.from(action.bytes).toString("hex")}${rider}`;
    }
    case "lease":
      return `lease 0x${action.terms.iova.toString(16)}`;
    case "close":
      return action.outcome.type === "answered"
        ? `close: ${JSON.stringify(action.outcome.request, bigints)} ${action.outcome.answer}`
        : `close: ${action.outcome.reason}, ${action.outcome.detail}`;
    default:
      return action.type;
  }
}

const bigints = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? `0x${value.toString(16)}` : value;
const send = (value: number): string => `send ${hex(value)}`;
const [ok, noFd, err] = [send(0), send(1), send(255)];
const NO_LEASES = { grantsLeases: false };

describe("one exchange", () => {
  const group = (number: number): string => `{"kind":"group","group":${number}}`;
  const edu = `${send(4)}${hex(1)}${Buffer.from("0000:00:10.0").toString("hex")}`;
  const memories = ['send 010203 + {"kind":"memory","id":4}', 'send  + {"kind":"memory","id":9}'];

  it.each<[string, Sent[], string[], Partial<ExchangeOffer>?]>([
    ["the container", [0x100], [`${ok} + {"kind":"container"}`, 'close: {"kind":"container"} OK']],
    ["a group, without its number yet", [0x200], []],
    ["group 0, which is shared", [0x200, 0], [ok, `${ok} + ${group(0)}`, `close: ${group(0)} OK`]],
    ["group 7, which is shared", [0x200, 7], [ok, `${ok} + ${group(7)}`, `close: ${group(7)} OK`]],
    ["a group that is not shared", [0x200, 8], [noFd, `close: ${group(8)} NO_FD`]],
    ["a group that does not exist", [0x200, 9999], [err, `close: ${group(9999)} ERR`]],
    ["a negative group", [0x200, -1], ["close: malformed, -1 as a group number"]],
    ["the memory", [0x10001], [ok, send(2), ...memories, 'close: {"kind":"memory"} OK']],
    ["the memory, of none", [0x10001], [ok, send(0), 'close: {"kind":"memory"} OK'], { memories: [] }],
    ["a hello, without its version yet", [0x10000], []],
    ["a hello", [0x10000, 7], [ok, send(1), send(15), 'close: {"kind":"hello","version":7} OK']],
    [
      "a hello, where no leases are granted",
      [0x10000, 1],
      [ok, send(1), send(7), 'close: {"kind":"hello","version":1} OK'],
      NO_LEASES,
    ],
    ["a hello of version 0", [0x10000, 0], ["close: malformed, 0 as a protocol version"]],
    ["a hello of version -1", [0x10000, -1], ["close: malformed, -1 as a protocol version"]],
    ["the IOMMU type", [0x10002], [ok, send(3), 'close: {"kind":"IOMMU type"} OK']],
    ["the devices", [0x10003], [ok, send(1), edu, 'close: {"kind":"devices"} OK']],
    [
      "a lease, where none are granted",
      [0x10004],
      [err, 'close: {"kind":"unknown","code":65540} ERR'],
      NO_LEASES,
    ],
    ["the end in place of a request", [undefined], ["close: left, left before it had sent a request"]],
    [
      "the end in place of a group",
      [0x200, undefined],
      ["close: left, left before it had sent a group number"],
    ],
    [
      "an fd nobody asked for",
      [packet(int(0x100), 1)],
      [err, "close: malformed, 1 uninvited fd(s) as a request"],
    ],
    [
      "a request that was cut off",
      [packet(int(0x100), 0, true)],
      [err, "close: malformed, more than 4 bytes, or uninvited fds, as a request"],
    ],
  ])("given %s", (_name, sent, actions, more) => {
    expect(feed(new Exchange({ ...offer, ...more }), ...sent)).toEqual(actions);
  });

  it.each([0, -1, 0x300, 0x10005, 0x7fffffff])("given the unknown request %d, ERR", (code) => {
    expect(feed(new Exchange(offer), code)).toEqual([err, `close: {"kind":"unknown","code":${code}} ERR`]);
  });

  it.each([0, 1, 2, 3, 5, 8])("given a request of %d bytes, ERR", (bytes) => {
    const end = `close: malformed, ${bytes} byte(s) as a request`;
    expect(feed(new Exchange(offer), new Uint8Array(bytes))).toEqual([err, end]);
  });

  it.each([2, 8])("given a group number of %d bytes, it closes without a reply", (bytes) => {
    const end = `close: malformed, ${bytes} byte(s) as a group number`;
    expect(feed(new Exchange(offer), 0x200, new Uint8Array(bytes))).toEqual([end]);
  });

  it("says what it expects, and does nothing after the end: one request per connection", () => {
    const exchange = new Exchange(offer);
    feed(exchange, 0x200);
    expect(exchange.expected).toBe("group number");
    feed(exchange, 7);
    expect(exchange.expected).toBe("nothing");
    expect(feed(exchange, 0x100, undefined)).toEqual([]);
  });
});

describe("one exchange about a lease", () => {
  const terms: LeaseTerms = { iova: 0x1000n, bytes: 4096, offset: 0, access: "read-write" };
  const encoded = encodeTerms(terms);
  const asked = (): Exchange => {
    const exchange = new Exchange(offer);
    feed(exchange, 0x10004);
    expect([exchange.roomForBytes, exchange.roomForFds]).toEqual([32, 1]);
    expect(feed(exchange, packet(encoded, 1))).toEqual(["lease 0x1000"]);
    return exchange;
  };

  it("when it is granted: OK, the verdict, and the connection stays; when given back: unmapped first, then OK", () => {
    const exchange = asked();
    const verdict = `${ok}${"00".repeat(20)}`;
    expect(exchange.decide({ errno: 0 }).map(describeAction)).toEqual([ok, verdict, "leased"]);
    expect(exchange.expected).toBe("release");
    expect([exchange.roomForBytes, exchange.roomForFds]).toEqual([4, 0]);
    const [release, answer, end] = feed(exchange, 0);
    expect([release, answer]).toEqual(["release", ok]);
    expect(end).toContain('close: {"kind":"lease","terms":{"iova":"0x1000"');
  });

  it("when it is refused: OK, the verdict with what is in the way, and the end", () => {
    const exchange = asked();
    const conflict = { iova: 0x2000n, bytes: 8192, pid: 77 };
    const [, verdict, end] = exchange.decide({ errno: -17, conflict }).map(describeAction);
    expect(verdict).toBe(`${send(-17)}${hex(77)}00200000000000000020000000000000`);
    expect(end).toMatch(/^close: .* ERR$/);
    expect(exchange.expected).toBe("nothing");
  });

  it.each<[string, Sent, string]>([
    ["the end", undefined, "close: left, left before it had sent a release"],
    ["another number than 0", 1, "close: malformed, 1 as a release"],
    ["half a number", Uint8Array.of(0, 0), "close: malformed, 2 byte(s) as a release"],
  ])("given %s while the lease runs, it closes", (_name, sent, end) => {
    const exchange = asked();
    exchange.decide({ errno: 0 });
    expect(feed(exchange, sent)).toEqual([end]);
  });

  const spoilt = (where: number, value: number): IncomingPacket => packet(encoded.with(where, value), 1);
  it.each<[string, Sent]>([
    ["no fd", packet(encoded)],
    ["31 bytes", packet(encoded.subarray(1), 1)],
    ["flags that are none", spoilt(24, 4)],
    ["something in its reserved field", spoilt(28, 1)],
    ["a length beyond 2^53", spoilt(15, 0xff)],
    ["more fds than one", packet(encoded, 1, true)],
    ["the end", undefined],
  ])("given terms with %s, it closes without a reply", (_name, sent) => {
    const exchange = new Exchange(offer);
    feed(exchange, 0x10004);
    expect(feed(exchange, sent)).toEqual([expect.stringMatching(/^close: (malformed|left)/)]);
    expect(exchange.decide({ errno: 0 })).toEqual([]);
  });
});

describe("any packets at all", () => {
  const requests = [0x100, 0x200, 0x10000, 0x10001, 0x10002, 0x10003, 0, 7, 8, 255, -1];
  const anyInt = fc.oneof(fc.constantFrom(...requests), fc.integer());
  const bytes = fc.uint8Array({ maxLength: 12 });
  const anyPacket: fc.Arbitrary<IncomingPacket | undefined> = fc.oneof(
    { weight: 4, arbitrary: anyInt.map((value) => packet(int(value))) },
    { weight: 2, arbitrary: fc.record({ bytes, fds: fc.nat(3), truncated: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );

  it("end after two at most, with one close and never more than one fd in a packet", () => {
    fc.assert(
      fc.property(fc.array(anyPacket, { minLength: 2, maxLength: 6 }), (packets) => {
        const exchange = new Exchange(offer);
        const actions = packets.slice(0, 2).flatMap((one) => exchange.feed(one));
        expect(exchange.expected).toBe("nothing");
        expect(actions.filter(({ type }) => type === "close")).toHaveLength(1);
        expect(actions.at(-1)?.type).toBe("close");
        expect(packets.slice(2).flatMap((one) => exchange.feed(one))).toEqual([]);
      }),
      { numRuns: 20_000 },
    );
  });

  it("about leases: one verdict, one release at most and only of what was leased, one close", () => {
    const anyTerms = fc
      .record({ iova: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), bytes: fc.nat(), offset: fc.nat() })
      .map((some) => packet(encodeTerms({ ...some, access: "write-only" }), 1));
    const anything = fc.oneof({ weight: 2, arbitrary: anyTerms }, { weight: 1, arbitrary: anyPacket });
    const anyEnd = fc.oneof(fc.constant(packet(int(0))), anyPacket);
    fc.assert(
      fc.property(anything, fc.constantFrom(0, -17, -22), anyEnd, (second, errno, third) => {
        const exchange = new Exchange(offer);
        const decide = (action: ExchangeAction): readonly ExchangeAction[] =>
          action.type === "lease" ? exchange.decide({ errno }) : [action];
        const types = [packet(int(0x10004)), second, third]
          .flatMap((one) => exchange.feed(one).flatMap(decide))
          .map(({ type }) => type);
        const count = (wanted: ExchangeAction["type"]): number =>
          types.filter((type) => type === wanted).length;
        expect(exchange.expected).toBe("nothing");
        expect(count("close")).toBe(1);
        expect(types.at(-1)).toBe("close");
        expect(count("release")).toBeLessThanOrEqual(count("leased"));
        expect(count("leased")).toBeLessThanOrEqual(errno === 0 ? 1 : 0);
      }),
      { numRuns: 20_000 },
    );
  });

  it("never get the fd of anything but what was asked for and is shared", () => {
    fc.assert(
      fc.property(anyPacket, anyPacket, (first, second) => {
        const exchange = new Exchange(offer);
        const actions = [...exchange.feed(first), ...exchange.feed(second)];
        const given = actions.flatMap((a) => (a.type === "reply" && a.attachment ? [a.attachment] : []));
        const asked = first?.bytes.length === 4 ? new Int32Array(first.bytes.slice().buffer)[0] : undefined;
        if (asked !== 0x10001) expect(given.length).toBeLessThanOrEqual(1);
        for (const one of given) {
          if (one.kind === "memory") expect(asked).toBe(0x10001);
          else if (one.kind === "container") expect(asked).toBe(0x100);
          else expect(one).toEqual({ kind: "group", group: new Int32Array(second!.bytes.slice().buffer)[0] });
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
