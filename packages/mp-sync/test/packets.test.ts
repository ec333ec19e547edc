import { endianness } from "node:os";
import { isVfioError } from "@vfio/ioctl-native";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAnswer, readBytes, readCount, readInt } from "../src/secondary/reply.js";
import { decodeCapabilities, encodeCapabilities } from "../src/wire/capabilities.js";
import { decodeDevice, encodeDevice, isDeviceName, MAX_DEVICE_BYTES } from "../src/wire/device-entry.js";
import type { IncomingPacket } from "../src/wire/exchange-types.js";
import { decodeTerms, decodeVerdict, encodeTerms, encodeVerdict } from "../src/wire/lease-messages.js";
import * as protocol from "../src/wire/protocol.js";
import { expectError } from "./support/errors.js";
import { int } from "./support/wire.js";

const { checkGroupNumber, decodeAnswer, decodeInt, encodeAnswer, encodeInt, isGroupNumber } = protocol;
const PROTOCOL = "ERR_VFIO_PROTOCOL";

/** A value, or the error of a broken protocol. */
function expectValueOrTypedError(read: () => unknown): void {
  try {
    expect(read()).toBeDefined();
  } catch (error) {
    expect(isVfioError(error) && error.code).toBe(PROTOCOL);
  }
}

describe("the packets of 2014, byte for byte", () => {
  const littleEndian = (hex: string): string =>
    endianness() === "LE" ? hex : Buffer.from(hex, "hex").reverse().toString("hex");

  it.each([
    ["REQ_CONTAINER", encodeInt(protocol.REQ_CONTAINER), "00010000"],
    ["REQ_GROUP", encodeInt(protocol.REQ_GROUP), "00020000"],
    ["OK", encodeAnswer("OK"), "00000000"],
    ["NO_FD", encodeAnswer("NO_FD"), "01000000"],
    ["ERR", encodeAnswer("ERR"), "ff000000"],
    ["group 0", encodeInt(0), "00000000"],
    ["group 255", encodeInt(255), "ff000000"],
    ["-1", encodeInt(-1), "ffffffff"],
  ])("%s is as a C int lies in memory", (_name, bytes, hex) => {
    expect(Buffer.from(bytes).toString("hex")).toBe(littleEndian(hex));
  });

  it("keeps its own requests above everything a DPDK uses", () => {
    expect(protocol.REQ_MEMORY).toBe(0x10001);
    expect([protocol.OK, protocol.NO_FD, protocol.ERR]).toEqual([0, 1, 0xff]);
  });
});

describe("encoding and decoding an int", () => {
  it("gives every int back, wherever it lies in a larger buffer", () => {
    const inBuffer = (value: number): Uint8Array => Uint8Array.of(1, 2, 3, ...encodeInt(value), 4, 5);
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect([decodeInt(encodeInt(value)), decodeInt(inBuffer(value).subarray(3, 7))]).toEqual([
          value,
          value,
        ]);
      }),
    );
  });

  it("takes 4 bytes and nothing else, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 16 }), (bytes) => {
        const decode = (): number => decodeInt(bytes);
        if (bytes.length === 4) expect(decode()).toBeTypeOf("number");
        else expect(decode).toThrow("where an int of 4 belongs");
      }),
    );
  });

  it("says how long a packet of the wrong size was", async () => {
    const text = /^broken protocol: a packet of 3 bytes where an int of 4 belongs$/;
    await expectError(() => decodeInt(new Uint8Array(3)), PROTOCOL, text);
  });

  it.each([2 ** 31, -(2 ** 31) - 1, 1.5, NaN, Infinity])("refuses to encode %s", async (value) => {
    await expectError(() => encodeInt(value), "ERR_VFIO_PROTOCOL_INT", String(value));
  });
});

describe("an answer", () => {
  it.each(["OK", "NO_FD", "ERR"] as const)("%s is given back", (answer) => {
    expect(decodeAnswer(encodeAnswer(answer))).toBe(answer);
  });

  it("is nothing else", async () => {
    const text = "2 is none of OK (0), NO_FD (1) and ERR (255)";
    await expectError(() => decodeAnswer(encodeInt(2)), PROTOCOL, text);
  });
});

describe("group numbers", () => {
  it.each([0, 1, 255, 2 ** 31 - 1])("%s is one", (number) => {
    expect(isGroupNumber(number)).toBe(true);
    expect(() => checkGroupNumber(number)).not.toThrow();
  });

  it.each([-1, 0.5, 2 ** 31, NaN])("%s is none", async (number) => {
    expect(isGroupNumber(number)).toBe(false);
    const text = `${number} is not the number of an IOMMU group`;
    await expectError(() => checkGroupNumber(number), "ERR_VFIO_GROUP_NUMBER", text);
  });
});

describe("what is encoded comes out of the decoder as it was", () => {
  const iova = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const access = fc.constantFrom("read-write" as const, "read-only" as const, "write-only" as const);
  const anyTerms = fc.record({ iova, bytes: fc.maxSafeNat(), offset: fc.maxSafeNat(), access });
  const pid = fc.integer({ min: 1, max: 2 ** 22 });
  const conflict = fc.record({ iova, bytes: fc.integer({ min: 1 }), pid });
  const anyVerdict = fc.oneof(
    fc.record({ errno: fc.integer({ min: -4095, max: 0 }) }),
    fc.record({ errno: fc.constant(-17), conflict }),
  );
  const anyDevice = fc.record({
    bdf: fc.string({ unit: "grapheme", maxLength: 255 }).filter(isDeviceName),
    group: fc.nat(2 ** 31 - 1),
    open: fc.boolean(),
  });

  it("a lease's terms", () => {
    const isGivenBack = fc.property(anyTerms, (terms) => {
      expect(decodeTerms(encodeTerms(terms))).toEqual(terms);
    });
    fc.assert(isGivenBack);
  });

  it("a verdict", () => {
    const isGivenBack = fc.property(anyVerdict, (verdict) => {
      expect(decodeVerdict(encodeVerdict(verdict))).toEqual(verdict);
    });
    fc.assert(isGivenBack);
  });

  it("a device, in no more bytes than its receiver has room for", () => {
    fc.assert(
      fc.property(anyDevice, (device) => {
        const packet = encodeDevice(device);
        expect(decodeDevice(packet)).toEqual(device);
        expect(packet.length).toBeLessThanOrEqual(MAX_DEVICE_BYTES);
      }),
    );
  });

  it("capabilities, unknown bits ignored", () => {
    for (let bits = 0; bits < 16; bits++)
      expect(encodeCapabilities(decodeCapabilities(bits | 0x7fff0000))).toBe(bits);
  });
});

describe("a verdict that no primary gives", () => {
  it.each([1, 2 ** 31 - 1])("is one of %d, for errnos are negative and 0 is a yes", (errno) => {
    expect(() => decodeVerdict(encodeVerdict({ errno }))).toThrow(`a verdict of ${errno}`);
  });
});

describe("reading a primary's reply", () => {
  const packetOf = (value: number, fds: number, truncated = false): IncomingPacket => ({
    bytes: int(value),
    fds,
    truncated,
  });

  it("takes an OK with exactly the fds that belong to it", () => {
    expect([readAnswer(packetOf(0, 0), 0), readAnswer(packetOf(0, 1), 1)]).toEqual(["OK", "OK"]);
  });

  it.each([
    [0, 1],
    [2, 1],
    [1, 0],
  ] as const)("refuses an OK with %d fds where %d belong", async (fds, wanted) => {
    const text = `${fds} fd(s) came with its OK, where ${wanted}`;
    await expectError(() => readAnswer(packetOf(0, fds), wanted), PROTOCOL, text);
  });

  it("takes a refusal whatever came with it", () => {
    expect([readAnswer(packetOf(255, 3, true), 1), readAnswer(packetOf(1, 0), 1)]).toEqual(["ERR", "NO_FD"]);
  });

  it("given fds that could not be received, names the limit that may be at fault", async () => {
    await expectError(() => readAnswer(packetOf(0, 0, true), 1), PROTOCOL, "", "ulimit -n");
  });

  it.each([-1, 1025, 2 ** 31 - 1])("refuses %d as a number of memories", async (count) => {
    const read = (): number => readCount(packetOf(count, 0), "shared memories", 1024);
    await expectError(read, PROTOCOL, `${count} shared memories`);
  });
});

describe("any bytes at all are a value or the typed error", () => {
  const ofLength = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });
  const someBytes = fc.oneof(
    fc.integer().map(int),
    fc.uint8Array({ maxLength: 64 }),
    ofLength(24),
    ofLength(32),
  );
  const anyPacket = fc.record({ bytes: someBytes, fds: fc.nat(9), truncated: fc.boolean() });

  it("for each that reads them", () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        expect(() => decodeTerms(packet.bytes)).not.toThrow();
        const readers = [
          () => readAnswer(packet, 0),
          () => readAnswer(packet, 1),
          () => readCount(packet, "devices", 1024),
          () => readInt(packet, "its version", 1),
          () => readBytes(packet, 1, "a memory's description"),
          () => decodeDevice(packet.bytes),
          () => decodeVerdict(packet.bytes),
        ];
        readers.forEach(expectValueOrTypedError);
      }),
      { numRuns: 20_000 },
    );
  });
});
