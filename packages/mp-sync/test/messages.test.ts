import { isVfioError } from "@vfio/ioctl-native";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCapabilities, encodeCapabilities } from "../src/wire/capabilities.js";
import { decodeDevice, encodeDevice, isDeviceName, MAX_DEVICE_BYTES } from "../src/wire/device-entry.js";
import { decodeTerms, decodeVerdict, encodeTerms, encodeVerdict } from "../src/wire/lease-messages.js";

const address = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const pid = fc.integer({ min: 1, max: 2 ** 22 });

describe("what is encoded", () => {
  it("comes out of the decoder as it was: a lease's terms", () => {
    const terms = fc.record({
      iova: address,
      bytes: fc.maxSafeNat(),
      offset: fc.maxSafeNat(),
      access: fc.constantFrom("read-write", "read-only", "write-only"),
    });
    fc.assert(
      fc.property(terms, (one) => {
        expect(decodeTerms(encodeTerms(one))).toEqual(one);
      }),
    );
  });

  it("comes out of the decoder as it was: a verdict", () => {
    const conflict = fc.record({ iova: address, bytes: fc.integer({ min: 1 }), pid });
    const verdict = fc.oneof(
      fc.record({ errno: fc.integer({ min: -4095, max: 0 }) }),
      fc.record({ errno: fc.constant(-17), conflict }),
    );
    fc.assert(
      fc.property(verdict, (one) => {
        expect(decodeVerdict(encodeVerdict(one))).toEqual(one);
      }),
    );
  });

  it("comes out of the decoder as it was: a device, in no more bytes than its receiver has room for", () => {
    const device = fc.record({
      bdf: fc.string({ unit: "grapheme", maxLength: 255 }).filter(isDeviceName),
      group: fc.nat(2 ** 31 - 1),
      open: fc.boolean(),
    });
    fc.assert(
      fc.property(device, (one) => {
        const packet = encodeDevice(one);
        expect(decodeDevice(packet)).toEqual(one);
        expect(packet.length).toBeLessThanOrEqual(MAX_DEVICE_BYTES);
      }),
    );
  });

  it("comes out of the decoder as it was: capabilities, unknown bits ignored", () => {
    for (let bits = 0; bits < 16; bits++) {
      expect(encodeCapabilities(decodeCapabilities(bits | 0x7fff0000))).toBe(bits);
    }
  });
});

describe("a verdict that no primary gives", () => {
  it.each([1, 2 ** 31 - 1])("is one of %d, for errnos are negative and 0 is a yes", (errno) => {
    expect(() => decodeVerdict(encodeVerdict({ errno }))).toThrow(`a verdict of ${errno}`);
  });
});

describe("any bytes at all", () => {
  it("are terms, a verdict or a device, or a typed error", () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ minLength: 24, maxLength: 24 }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        expect(() => decodeTerms(bytes)).not.toThrow();
        for (const decode of [decodeVerdict, decodeDevice]) {
          try {
            expect(decode(bytes)).toBeDefined();
          } catch (error) {
            expect(isVfioError(error) && error.code).toBe("ERR_VFIO_PROTOCOL");
          }
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
