import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Exchange } from "../src/primary/exchange.js";
import type { ExchangeAction, ExchangeOffer, IncomingPacket } from "../src/primary/exchange-types.js";
import { encodeTerms, type LeaseTerms } from "../src/wire/lease-messages.js";
import { int } from "./support/wire.js";

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

const packet = (bytes: Uint8Array, fds = 0, truncated = false): IncomingPacket => ({ bytes, fds, truncated });
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function play(...packets: readonly (IncomingPacket | undefined)[]): string[] {
  const exchange = new Exchange(offer);
  return packets.flatMap((one) => exchange.feed(one)).map(describeAction);
}

function describeAction(action: ExchangeAction): string {
  if (action.type === "reply") {
    const rider = action.attachment === undefined ? "" : ` + ${JSON.stringify(action.attachment)}`;
    return `send ${hex(action.bytes)}${rider}`;
  }
  if (action.type === "lease") return `lease 0x${action.terms.iova.toString(16)}`;
  if (action.type === "release") return "release";
  const { outcome } = action;
  if (action.type === "leased") return "leased";
  return outcome.type === "answered"
    ? `close: ${JSON.stringify(outcome.request, bigints)} ${outcome.answer}`
    : `close: ${outcome.reason}, ${outcome.detail}`;
}

const bigints = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? `0x${value.toString(16)}` : value;
const ok = `send ${hex(int(0))}`;
const err = `send ${hex(int(255))}`;

describe("one exchange, as a 2014 secondary has it", () => {
  it("given a request for the container, OK and the fd go in one packet", () => {
    expect(play(packet(int(0x100)))).toEqual([
      `${ok} + {"kind":"container"}`,
      'close: {"kind":"container"} OK',
    ]);
  });

  it.each([0, 7])("given a request for shared group %d, OK goes alone, then OK with the fd", (group) => {
    const asked = `{"kind":"group","group":${group}}`;
    expect(play(packet(int(0x200)), packet(int(group)))).toEqual([
      ok,
      `${ok} + ${asked}`,
      `close: ${asked} OK`,
    ]);
  });

  it("given a request for a group, nothing is said before its number has come", () => {
    const exchange = new Exchange(offer);
    expect(exchange.feed(packet(int(0x200)))).toEqual([]);
    expect(exchange.expected).toBe("group number");
  });

  it("given a group that is not shared, NO_FD", () => {
    expect(play(packet(int(0x200)), packet(int(8)))).toEqual([
      `send ${hex(int(1))}`,
      'close: {"kind":"group","group":8} NO_FD',
    ]);
  });

  it("given a group that does not exist, ERR", () => {
    expect(play(packet(int(0x200)), packet(int(9999)))).toEqual([
      err,
      'close: {"kind":"group","group":9999} ERR',
    ]);
  });

  it("given a negative group number, it closes without a reply", () => {
    expect(play(packet(int(0x200)), packet(int(-1)))).toEqual(["close: malformed, -1 as a group number"]);
  });

  it("given the end in place of a group number, it closes, and does not take it for group 255", () => {
    expect(play(packet(int(0x200)), undefined)).toEqual([
      "close: left, left before it had sent a group number",
    ]);
  });

  it.each([0, -1, 0x300, 0x10005, 0x7fffffff])("given the unknown request %d, ERR", (code) => {
    expect(play(packet(int(code)))).toEqual([err, `close: {"kind":"unknown","code":${code}} ERR`]);
  });
});

describe("one exchange with a client that does not keep to it", () => {
  it("given nothing but the end, it closes", () => {
    expect(play(undefined)).toEqual(["close: left, left before it had sent a request"]);
  });

  it.each([0, 1, 2, 3, 5, 8])("given a request of %d bytes, ERR", (bytes) => {
    expect(play(packet(new Uint8Array(bytes)))).toEqual([
      err,
      `close: malformed, ${bytes} byte(s) as a request`,
    ]);
  });

  it.each([2, 8])("given a group number of %d bytes, it closes without a reply", (bytes) => {
    expect(play(packet(int(0x200)), packet(new Uint8Array(bytes)))).toEqual([
      `close: malformed, ${bytes} byte(s) as a group number`,
    ]);
  });

  it("given a request with an fd nobody asked for, ERR", () => {
    expect(play(packet(int(0x100), 1))).toEqual([err, "close: malformed, 1 uninvited fd(s) as a request"]);
  });

  it("given a request that was cut off, ERR", () => {
    const [reply, end] = play(packet(int(0x100), 0, true));
    expect(reply).toBe(err);
    expect(end).toContain("malformed, more than 4 bytes");
  });

  it("given more packets after the end, it does nothing: one request per connection", () => {
    const exchange = new Exchange(offer);
    exchange.feed(packet(int(0x100)));
    expect(exchange.expected).toBe("nothing");
    expect(exchange.feed(packet(int(0x100)))).toEqual([]);
    expect(exchange.feed(undefined)).toEqual([]);
  });
});

describe("one exchange about shared memory", () => {
  it("OK, the count, then each description with its fd", () => {
    expect(play(packet(int(0x10001)))).toEqual([
      ok,
      `send ${hex(int(2))}`,
      'send 010203 + {"kind":"memory","id":4}',
      'send  + {"kind":"memory","id":9}',
      'close: {"kind":"memory"} OK',
    ]);
  });

  it("without any shared, the count is 0", () => {
    const actions = new Exchange({ ...offer, memories: [] }).feed(packet(int(0x10001)));
    expect(actions.map(describeAction)).toEqual([ok, `send ${hex(int(0))}`, 'close: {"kind":"memory"} OK']);
  });
});

describe("one exchange about the primary itself", () => {
  it("given a hello: nothing before its version, then OK, our version and what we can do", () => {
    expect(play(packet(int(0x10000)))).toEqual([]);
    expect(play(packet(int(0x10000)), packet(int(7)))).toEqual([
      ok,
      `send ${hex(int(1))}`,
      `send ${hex(int(15))}`,
      'close: {"kind":"hello","version":7} OK',
    ]);
  });

  it("given a hello where leases are not granted, the bit for them is missing", () => {
    const exchange = new Exchange({ ...offer, grantsLeases: false });
    exchange.feed(packet(int(0x10000)));
    expect(exchange.feed(packet(int(1))).map(describeAction)).toContain(`send ${hex(int(7))}`);
  });

  it.each([0, -1])("given a hello of version %d, it closes without a reply", (version) => {
    expect(play(packet(int(0x10000)), packet(int(version)))).toEqual([
      `close: malformed, ${version} as a protocol version`,
    ]);
  });

  it("given a request for the IOMMU type: OK, then its number", () => {
    expect(play(packet(int(0x10002)))).toEqual([
      ok,
      `send ${hex(int(3))}`,
      'close: {"kind":"IOMMU type"} OK',
    ]);
  });

  it("given a request for the devices: OK, the count, then group, flags and address of each", () => {
    expect(play(packet(int(0x10003)))).toEqual([
      ok,
      `send ${hex(int(1))}`,
      `send ${hex(int(4))}${hex(int(1))}${Buffer.from("0000:00:10.0").toString("hex")}`,
      'close: {"kind":"devices"} OK',
    ]);
  });
});

describe("one exchange about a lease", () => {
  const terms: LeaseTerms = { iova: 0x1000n, bytes: 4096, offset: 0, access: "read-write" };
  const granted = `${hex(int(0))}${"00".repeat(20)}`;
  const asked = (exchange: Exchange): void => {
    exchange.feed(packet(int(0x10004)));
    expect([exchange.roomForBytes, exchange.roomForFds]).toEqual([32, 1]);
    expect(exchange.feed(packet(encodeTerms(terms), 1)).map(describeAction)).toEqual(["lease 0x1000"]);
  };

  it("when it is granted: OK, the verdict, and the connection stays; when given back: unmapped first, then OK", () => {
    const exchange = new Exchange(offer);
    asked(exchange);
    expect(exchange.decide({ errno: 0 }).map(describeAction)).toEqual([ok, `send ${granted}`, "leased"]);
    expect(exchange.expected).toBe("release");
    expect([exchange.roomForBytes, exchange.roomForFds]).toEqual([4, 0]);
    const actions = exchange.feed(packet(int(0))).map(describeAction);
    expect(actions.slice(0, 2)).toEqual(["release", ok]);
    expect(actions[2]).toContain('close: {"kind":"lease","terms":{"iova":"0x1000"');
  });

  it("when it is refused: OK, the verdict with what is in the way, and the end", () => {
    const exchange = new Exchange(offer);
    asked(exchange);
    const conflict = { iova: 0x2000n, bytes: 8192, pid: 77 };
    const [, verdict, end] = exchange.decide({ errno: -17, conflict }).map(describeAction);
    expect(verdict).toBe(`send ${hex(int(-17))}${hex(int(77))}00200000000000000020000000000000`);
    expect(end).toMatch(/^close: .* ERR$/);
    expect(exchange.expected).toBe("nothing");
  });

  it.each<[string, IncomingPacket | undefined, string]>([
    ["the end", undefined, "close: left, left before it had sent a release"],
    ["another number than 0", packet(int(1)), "close: malformed, 1 as a release"],
    ["half a number", packet(Uint8Array.of(0, 0)), "close: malformed, 2 byte(s) as a release"],
  ])("given %s while the lease runs, it closes", (_name, what, end) => {
    const exchange = new Exchange(offer);
    asked(exchange);
    exchange.decide({ errno: 0 });
    expect(exchange.feed(what).map(describeAction)).toEqual([end]);
  });

  it.each<[string, IncomingPacket | undefined]>([
    ["no fd", packet(encodeTerms(terms))],
    ["31 bytes", packet(encodeTerms(terms).subarray(1), 1)],
    [
      "flags that are none",
      packet(
        encodeTerms(terms).map((byte, at) => (at === 24 ? 4 : byte)),
        1,
      ),
    ],
    [
      "something in its reserved field",
      packet(
        encodeTerms(terms).map((byte, at) => (at === 28 ? 1 : byte)),
        1,
      ),
    ],
    [
      "a length beyond 2^53",
      packet(
        encodeTerms(terms).map((byte, at) => (at === 15 ? 0xff : byte)),
        1,
      ),
    ],
    ["more fds than one", packet(encodeTerms(terms), 1, true)],
    ["the end", undefined],
  ])("given terms with %s, it closes without a reply", (_name, what) => {
    const exchange = new Exchange(offer);
    exchange.feed(packet(int(0x10004)));
    const [end, ...more] = exchange.feed(what).map(describeAction);
    expect(end).toMatch(/^close: (malformed|left)/);
    expect(more).toEqual([]);
    expect(exchange.decide({ errno: 0 })).toEqual([]);
  });

  it("where leases are not granted, it is an unknown request: ERR", () => {
    const actions = new Exchange({ ...offer, grantsLeases: false }).feed(packet(int(0x10004)));
    expect(actions.map(describeAction)[0]).toBe(err);
  });
});

describe("any packets at all", () => {
  const anyInt = fc.oneof(
    fc.constantFrom(0x100, 0x200, 0x10000, 0x10001, 0x10002, 0x10003, 0, 7, 8, 255, -1),
    fc.integer(),
  );
  const anyPacket: fc.Arbitrary<IncomingPacket | undefined> = fc.oneof(
    { weight: 4, arbitrary: anyInt.map((value) => packet(int(value))) },
    {
      weight: 2,
      arbitrary: fc.record({
        bytes: fc.uint8Array({ maxLength: 12 }),
        fds: fc.nat(3),
        truncated: fc.boolean(),
      }),
    },
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
        const feed = (one: IncomingPacket | undefined): readonly ExchangeAction[] =>
          exchange
            .feed(one)
            .flatMap((action) => (action.type === "lease" ? exchange.decide({ errno }) : [action]));
        const actions = [packet(int(0x10004)), second, third].flatMap(feed);
        const count = (type: ExchangeAction["type"]): number =>
          actions.filter((one) => one.type === type).length;
        expect(exchange.expected).toBe("nothing");
        expect(count("close")).toBe(1);
        expect(actions.at(-1)?.type).toBe("close");
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
