import { endianness } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkGroupNumber,
  decodeAnswer,
  decodeInt,
  encodeAnswer,
  encodeInt,
  ERR,
  isGroupNumber,
  NO_FD,
  OK,
  REQ_CONTAINER,
  REQ_GROUP,
  REQ_MEMORY,
} from "../src/wire/protocol.js";
import { expectError } from "./support/errors.js";

const littleEndian = (hex: string): string =>
  endianness() === "LE" ? hex : Buffer.from(hex, "hex").reverse().toString("hex");

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("the packets of 2014, byte for byte", () => {
  it.each([
    ["REQ_CONTAINER", encodeInt(REQ_CONTAINER), "00010000"],
    ["REQ_GROUP", encodeInt(REQ_GROUP), "00020000"],
    ["OK", encodeAnswer("OK"), "00000000"],
    ["NO_FD", encodeAnswer("NO_FD"), "01000000"],
    ["ERR", encodeAnswer("ERR"), "ff000000"],
    ["group 0", encodeInt(0), "00000000"],
    ["group 255", encodeInt(255), "ff000000"],
    ["-1", encodeInt(-1), "ffffffff"],
  ])("%s is as a C int lies in memory", (_name, bytes, hex) => {
    expect(hexOf(bytes)).toBe(littleEndian(hex));
  });

  it("keeps its own requests above everything a DPDK uses", () => {
    expect(REQ_MEMORY).toBe(0x10001);
    expect([OK, NO_FD, ERR]).toEqual([0, 1, 0xff]);
  });
});

describe("encoding and decoding an int", () => {
  it("gives every int back", () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(decodeInt(encodeInt(value))).toBe(value);
      }),
    );
  });

  it("decodes an int that lies anywhere in a larger buffer", () => {
    const buffer = new Uint8Array(9);
    buffer.set(encodeInt(REQ_GROUP), 3);
    expect(decodeInt(buffer.subarray(3, 7))).toBe(REQ_GROUP);
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
    const error = await expectError(() => decodeInt(new Uint8Array(3)), "ERR_VFIO_PROTOCOL");
    expect(error.message).toBe("broken protocol: a packet of 3 bytes where an int of 4 belongs");
  });

  it.each([2 ** 31, -(2 ** 31) - 1, 1.5, NaN, Infinity])("refuses to encode %s", async (value) => {
    await expectError(() => encodeInt(value), "ERR_VFIO_PROTOCOL_INT", String(value));
  });
});

describe("decoding an answer", () => {
  it.each(["OK", "NO_FD", "ERR"] as const)("gives %s back", (answer) => {
    expect(decodeAnswer(encodeAnswer(answer))).toBe(answer);
  });

  it("takes nothing else for an answer", async () => {
    await expectError(
      () => decodeAnswer(encodeInt(2)),
      "ERR_VFIO_PROTOCOL",
      "2 is none of OK (0), NO_FD (1) and ERR (255)",
    );
  });
});

describe("group numbers", () => {
  it.each([0, 1, 255, 2 ** 31 - 1])("%s is one", (number) => {
    expect(isGroupNumber(number)).toBe(true);
    expect(() => checkGroupNumber(number)).not.toThrow();
  });

  it.each([-1, 0.5, 2 ** 31, NaN])("%s is none", async (number) => {
    expect(isGroupNumber(number)).toBe(false);
    await expectError(
      () => checkGroupNumber(number),
      "ERR_VFIO_GROUP_NUMBER",
      `${number} is not the number of an IOMMU group`,
    );
  });
});
