import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Exchange, type ExchangeAction, type ExchangeOffer, type IncomingPacket } from "../src/exchange.js";
import { int } from "./support/wire.js";

const offer: ExchangeOffer = {
  groupState: (group) => (group === 0 || group === 7 ? "shared" : group === 8 ? "not-shared" : "unknown"),
  memories: [Uint8Array.of(1, 2, 3), Uint8Array.of()],
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
  const { outcome } = action;
  return outcome.type === "answered"
    ? `close: ${JSON.stringify(outcome.request)} ${outcome.answer}`
    : `close: ${outcome.reason}, ${outcome.detail}`;
}

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

  it.each([0, -1, 0x300, 0x10000, 0x7fffffff])("given the unknown request %d, ERR", (code) => {
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
      'send 010203 + {"kind":"memory","index":0}',
      'send  + {"kind":"memory","index":1}',
      'close: {"kind":"memory"} OK',
    ]);
  });

  it("without any shared, the count is 0", () => {
    const actions = new Exchange({ ...offer, memories: [] }).feed(packet(int(0x10001)));
    expect(actions.map(describeAction)).toEqual([ok, `send ${hex(int(0))}`, 'close: {"kind":"memory"} OK']);
  });
});

describe("any packets at all", () => {
  const anyInt = fc.oneof(fc.constantFrom(0x100, 0x200, 0x10001, 0, 7, 8, 255, -1), fc.integer());
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
