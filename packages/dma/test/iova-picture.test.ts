import { describe, expect, it } from "vitest";
import type { IovaRange } from "@vfio/ioctl-native";
import { drawIovaSpace } from "../src/index.js";

const MIB = 1 << 20;

describe("given an IOVA space to draw", () => {
  it("ranges, mappings, holes, reserved windows and the device's reach are told apart, lowest first", () => {
    const picture = drawIovaSpace({
      ranges: [
        { start: 0n, end: 0xfedfffffn },
        { start: 0xfef00000n, end: 0x7f_ffff_ffffn },
      ],
      mappings: [
        { pieces: [{ offset: 0, iova: 0x400000n, bytes: 2 * MIB }], access: "read-only" },
        { pieces: [{ offset: 0, iova: 0x200000n, bytes: 2 * MIB }], access: "read-write" },
      ],
      reserved: [{ start: 0x1000000n, end: 0x1ffffffn }],
      addressBits: 32,
    });

    expect(`${picture}\n`).toBe(
      `IOVA space
  0x0000000000 – 0x00001fffff  ····      2 MiB  free
  0x0000200000 – 0x00003fffff  ####      2 MiB  mapped
  0x0000400000 – 0x00005fffff  ####      2 MiB  mapped, read-only
  0x0000600000 – 0x0000ffffff  ····     10 MiB  free
  0x0001000000 – 0x0001ffffff  xxxx     16 MiB  reserved
  0x0002000000 – 0x00fedfffff  ····   4046 MiB  free
  0x00fee00000 – 0x00feefffff            1 MiB  not mappable (interrupt window or reserved by firmware)
  0x00fef00000 – 0x00ffffffff  ····     17 MiB  free
  0x0100000000 – 0x7fffffffff  ----    508 GiB  out of the device's reach
`,
    );
  });

  it("pieces of a mapping that follow each other are one line, with their number; a jump begins another", () => {
    const pieces = Array.from({ length: 8 }, (_, index) => ({
      offset: index * MIB,
      iova: BigInt((index < 6 ? index : index + 2) * MIB),
      bytes: MIB,
    }));

    const picture = drawIovaSpace({
      ranges: [{ start: 0n, end: 0xffffffn }],
      mappings: [{ pieces, access: "write-only" }],
      reserved: [],
      addressBits: 64,
    });

    expect(`${picture}\n`).toBe(
      `IOVA space
  0x000000 – 0x5fffff  ####      6 MiB  mapped in 6 pieces, write-only
  0x600000 – 0x7fffff  ····      2 MiB  free
  0x800000 – 0x9fffff  ####      2 MiB  mapped in 2 pieces, write-only
  0xa00000 – 0xffffff  ····      6 MiB  free
`,
    );
  });

  it("before there is a group, it says that nothing is known, and how many mappings wait", () => {
    const waiting = { pieces: [], access: "read-write" } as const;
    const draw = (count: number, ranges?: IovaRange[]) =>
      drawIovaSpace({ ranges, mappings: new Array(count).fill(waiting), reserved: [], addressBits: 64 });

    expect(draw(0)).toBe("IOVA space: unknown until the container has a group");
    expect(draw(1)).toBe(
      "IOVA space: unknown until the container has a group, and a mapping that waits for a group",
    );
    expect(draw(2, [{ start: 0n, end: 0xffffffn }]).split("\n")[0]).toBe(
      "IOVA space, and 2 mappings that wait for a group",
    );
  });
});
