import { errnoOf, realKernel, useKernel, type MemlockLimit } from "../src/index.js";
import type { IommuInfo } from "../src/vfio/index.js";
import { describe, expect, it } from "vitest";
import { explainMapFailure } from "../src/vfio/map-failure.js";

const MIB = 2 ** 20;
const info = (mappingsLeft: number | undefined) => (): IommuInfo => ({
  pageSizes: 0x1000n,
  smallestPage: 4096,
  iovaRanges: undefined,
  mappingsLeft,
});

function hintOf(code: Parameters<typeof errnoOf>[0], wanted = MIB, left?: number): string | undefined {
  const hint = explainMapFailure(errnoOf(code), wanted, info(left));
  return typeof hint === "function" ? hint() : hint;
}

function useLimit(current: number, lockedKib: number): Disposable {
  const memlockLimit = (): MemlockLimit => ({ current, maximum: current });
  return useKernel({ ...realKernel(), memlockLimit, readText: () => `VmLck:\t ${lockedKib} kB\n` });
}

describe("given a mapping that the kernel refuses with ENOMEM", () => {
  it("the limit of locked memory is named where it is too low, by a byte too", () => {
    using _kernel = useLimit(3 * MIB - 1, 2048);

    expect(hintOf("ENOMEM")).toContain("in use 2048 kB, needed 1024 kB more");
    expect(hintOf("ENOMEM")).toContain("ulimit -l unlimited");
  });

  it.each([3 * MIB, Infinity])(
    "a limit of %d would do: raising it would not help, so nothing is said",
    (limit) => {
      using _kernel = useLimit(limit, 2048);

      expect(hintOf("ENOMEM")).toBe(undefined);
    },
  );
});

describe("given a mapping that the kernel refuses with ENOSPC", () => {
  it.each([
    [0, "0 left of"],
    [undefined, "unknown left of"],
  ])("with %s mappings left, the limit is named", (left, words) => {
    expect(hintOf("ENOSPC", MIB, left)).toContain(words);
  });

  it("with some left it is not", () => {
    expect(hintOf("ENOSPC", MIB, 7)).toBe(undefined);
  });
});

it("an errno that tells nothing has no hint", () => {
  expect(hintOf("EIO")).toBe(undefined);
});
