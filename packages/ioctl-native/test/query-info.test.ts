import { beforeEach, describe, expect, it } from "vitest";
import { queryInfo, vfioIoctls, vfioStructs } from "../src/vfio/index.js";
import { errorOf } from "./support/errors.js";
import { withKernel } from "./support/fake-kernel.js";

const { vfio_region_info: region } = vfioStructs;

/** What the kernel says it would need, one number per question. */
let needs: number[] = [];
let asked: number[] = [];
beforeEach(() => {
  asked = [];
});
withKernel({
  ioctl: (_fd, _request, argument) => {
    const buffer = argument as Uint8Array;
    asked.push(buffer.length);
    region.write(buffer, { argsz: needs[asked.length - 1] ?? needs.at(-1)!, offset: BigInt(asked.length) });
    return needs.length === 0 ? -22 : 0;
  },
});

function ask(): Uint8Array {
  const context = (): { what: string } => ({ what: "cannot read region 3" });
  return queryInfo({ fd: 0 }, vfioIoctls.VFIO_DEVICE_GET_REGION_INFO, { index: 3 }, context);
}

describe("an info ioctl", () => {
  it("whose answer fits is asked once", () => {
    needs = [32];
    expect(region.decode(ask())).toMatchObject({ index: 3, argsz: 32 });
    expect(asked).toEqual([32]);
  });

  it("whose answer is longer is asked again with room for it", () => {
    needs = [80, 80];
    expect(ask()).toHaveLength(80);
    expect(asked).toEqual([32, 80]);
  });

  it("whose answer grew in between is asked once more, not taken half", () => {
    needs = [80, 96, 96];
    expect(region.decode(ask())).toMatchObject({ argsz: 96, offset: 3n });
    expect(asked).toEqual([32, 80, 96]);
  });

  it.each([
    ["always wants more", [40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120], 9],
    ["wants gigabytes", [0xffffffff], 1],
  ])("that %s is given up with an error", (_, endless, questions) => {
    needs = endless;
    const error = errorOf(ask);
    expect(error.code).toBe("ERR_VFIO_BAD_ANSWER");
    expect(asked).toHaveLength(questions);
    expect(error.message).toContain("VFIO_DEVICE_GET_REGION_INFO");
  });

  it("that fails is the caller's error", () => {
    needs = [];
    region.encode();
    expect(errorOf(ask).message).toContain("cannot read region 3");
  });
});
