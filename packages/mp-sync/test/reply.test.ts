import { isVfioError } from "@vfio/ioctl-native";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeDevice } from "../src/wire/device-entry.js";
import { decodeVerdict } from "../src/wire/lease-messages.js";
import { readAnswer, readBytes, readCount, readInt } from "../src/secondary/reply.js";
import { expectError } from "./support/errors.js";
import { int } from "./support/wire.js";

describe("reading a primary's reply", () => {
  it("takes an OK with exactly the fds that belong to it", () => {
    expect(readAnswer({ bytes: int(0), fds: 0, truncated: false }, 0)).toBe("OK");
    expect(readAnswer({ bytes: int(0), fds: 1, truncated: false }, 1)).toBe("OK");
  });

  it.each([
    [0, 1],
    [2, 1],
    [1, 0],
  ] as const)("refuses an OK with %d fds where %d belong", async (fds, wanted) => {
    await expectError(
      () => readAnswer({ bytes: int(0), fds, truncated: false }, wanted),
      "ERR_VFIO_PROTOCOL",
      `${fds} fd(s) came with its OK, where ${wanted}`,
    );
  });

  it("takes a refusal whatever came with it", () => {
    expect(readAnswer({ bytes: int(255), fds: 3, truncated: true }, 1)).toBe("ERR");
    expect(readAnswer({ bytes: int(1), fds: 0, truncated: false }, 1)).toBe("NO_FD");
  });

  it("given fds that could not be received, names the limit that may be at fault", async () => {
    await expectError(
      () => readAnswer({ bytes: int(0), fds: 0, truncated: true }, 1),
      "ERR_VFIO_PROTOCOL",
      "",
      "ulimit -n",
    );
  });

  it.each([-1, 1025, 2 ** 31 - 1])("refuses %d as a number of memories", async (count) => {
    await expectError(
      () => readCount({ bytes: int(count), fds: 0, truncated: false }, "shared memories", 1024),
      "ERR_VFIO_PROTOCOL",
      `${count} shared memories`,
    );
  });

  it("given anything at all, gives a value or the typed error", () => {
    const anything = fc.record({
      bytes: fc.oneof(fc.integer().map(int), fc.uint8Array({ maxLength: 24 })),
      fds: fc.nat(9),
      truncated: fc.boolean(),
    });
    fc.assert(
      fc.property(anything, (packet) => {
        for (const read of [
          () => readAnswer(packet, 0),
          () => readAnswer(packet, 1),
          () => readCount(packet, "devices", 1024),
          () => readInt(packet, "its version", 1),
          () => readBytes(packet, 1, "a memory's description"),
          () => decodeDevice(packet.bytes),
          () => decodeVerdict(packet.bytes),
        ]) {
          try {
            expect(read()).toBeDefined();
          } catch (error) {
            expect(isVfioError(error) && error.code).toBe("ERR_VFIO_PROTOCOL");
          }
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
