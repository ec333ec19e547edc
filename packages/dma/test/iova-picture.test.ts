import { describe, expect, it } from "vitest";
import { drawIovaSpace } from "../src/index.js";

const MIB = 1 << 20;

describe("given an IOVA space to draw", () => {
  it("ranges, mappings, holes, reserved windows and the device's reach are told apart, lowest first", () => {
    const picture = drawIovaSpace({
      ranges: [
        { start: 0n, end: 0xfedfffffn },
        { start: 0xfef00000n, end: 0x7f_ffff_ffffn },
      ],
      mapped: [{ offset: 0, iova: 0x200000n, bytes: 2 * MIB }],
      reserved: [{ start: 0x1000000n, end: 0x1ffffffn }],
      addressBits: 32,
    });

    expect(`${picture}\n`).toBe(
      `IOVA space
  0x0000000000 – 0x00001fffff  ····      2 MiB  free
  0x0000200000 – 0x00003fffff  ####      2 MiB  mapped
  0x0000400000 – 0x0000ffffff  ····     12 MiB  free
  0x0001000000 – 0x0001ffffff  xxxx     16 MiB  reserved
  0x0002000000 – 0x00fedfffff  ····   4046 MiB  free
  0x00fee00000 – 0x00feefffff            1 MiB  not mappable (interrupt window or reserved by firmware)
  0x00fef00000 – 0x00ffffffff  ····     17 MiB  free
  0x0100000000 – 0x7fffffffff  ----    508 GiB  out of the device's reach
`,
    );
  });

  it("many pieces that follow each other are one line", () => {
    const mapped = Array.from({ length: 8 }, (_, index) => ({
      offset: index * MIB,
      iova: BigInt(index * MIB),
      bytes: MIB,
    }));

    const picture = drawIovaSpace({
      ranges: [{ start: 0n, end: 0xffffffn }],
      mapped,
      reserved: [],
      addressBits: 64,
    });

    expect(picture.split("\n")).toHaveLength(3);
    expect(picture).toContain("mapped in 8 pieces");
  });

  it("before there is a group, it says that nothing is known", () => {
    expect(drawIovaSpace({ ranges: undefined, mapped: [], reserved: [], addressBits: 64 })).toContain(
      "until the container has a group",
    );
  });
});
