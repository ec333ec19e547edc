import { runInNewContext } from "node:vm";
import { errorOf, expectError, expectRejection, leavesNothingBehind, rejectionOf } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OpenRegion } from "../src/index.js";
import { MemoryDevice } from "./memory-device.js";

leavesNothingBehind();

let device: MemoryDevice;
const regions: OpenRegion[] = [];
beforeEach(() => {
  device = new MemoryDevice({ 0: { bytes: 0x1000, mappable: true }, 1: { bytes: 0x1000 } });
  const inMemory = OpenRegion.inMemory(new Uint8Array(0x1000));
  regions.splice(0, 3, device.pci.bar(0).map(), device.pci.bar(1).open(), inMemory);
});
afterEach(() => device[Symbol.dispose]());

describe.each([
  ["mapped", 0],
  ["reached by pread and pwrite", 1],
  ["in plain memory", 2],
])("given a register that is %s", (_, index) => {
  const region = (): OpenRegion => regions[index]!;

  it("that is as wanted already: the answer is the whole register", async () => {
    region().write32(8, 0xabcd0003);

    expect(await region().pollMask(8, 0x3, 0x3)).toBe(0xabcd0003);
    expect(region().pollMaskSync(8, 0xff, 3, { width: 8, timeoutMs: 0 })).toBe(3);
    expect(await region().pollMask(8, 0xff00, 0, { width: 16, timeoutMs: 0 })).toBe(3);
    expect(region().pollMaskSync(8, -1, 0xabcd0003 | 0)).toBe(0xabcd0003);
  });

  it.each([undefined, 0])(
    "that changes while it is polled, with other work between the looks (interval %s)",
    async (intervalMs) => {
      let turns = 0;
      const ticking = setInterval(() => {
        if (++turns === 3) region().write32(8, 0x10);
      }, 1);

      expect(await region().pollMask(8, 0xf0, 0x10, { intervalMs, timeoutMs: 20_000 })).toBe(0x10);
      clearInterval(ticking);
      expect(turns).toBeGreaterThanOrEqual(3);
    },
  );

  it("that never becomes so: the error has register, mask, value and what it is", async () => {
    region().write32(8, 0x12);

    for (const error of [
      await rejectionOf(region().pollMask(8, 0xf0, 0x20, { timeoutMs: 0 })),
      errorOf(() => region().pollMaskSync(8, 0xf0, 0x20, { timeoutMs: 0 })),
    ]) {
      expect(error).toMatchObject({ code: "ERR_VFIO_TIMEOUT" });
      expect(error.message).toContain(
        `register at 0x8 of ${region().name} did not become 0x20 under the mask 0xf0 within 0 ms: it is 0x12`,
      );
    }
  });

  it("that never becomes so, polled without end: the time that node:vm gives it ends it", () => {
    const poll = (): number => region().pollMaskSync(8, 1, 1, { timeoutMs: Infinity });
    expect((): unknown => runInNewContext("poll()", { poll }, { timeout: 20 })).toThrow(
      "timed out after 20ms",
    );
  });

  it("an abort ends the wait with its reason, before it or during it", async () => {
    const reason = new Error("unplugged");
    const aborting = new AbortController();
    const waiting = rejectionOf(
      region().pollMask(8, 1, 1, { signal: aborting.signal, timeoutMs: Infinity, intervalMs: 60_000 }),
    );
    aborting.abort(reason);

    expect(await waiting).toBe(reason);
    expect(await rejectionOf(region().pollMask(8, 1, 1, { signal: aborting.signal }))).toBe(reason);
    const other = AbortSignal.abort("enough");
    await expectRejection(region().pollMask(8, 1, 1, { signal: other }), "ERR_VFIO_ABORTED");
  });

  it("closing the region ends the wait", async () => {
    const waiting = rejectionOf(region().pollMask(8, 1, 1, { timeoutMs: Infinity }));
    region().close();

    expect(await waiting).toMatchObject({ code: "ERR_VFIO_CLOSED" });
  });

  it("what can never match, or is no mask, width or time, is a RangeError", async () => {
    const at = region();
    for (const [mask, value, options] of [
      [0x0f, 0x10, {}],
      [0x100, 0, { width: 8 }],
      [1.5, 0, {}],
      [2 ** 32, 0, {}],
      ["1", 0, {}],
      [1, 1n, {}],
      [1n, 1, {}],
      [1n << 64n, 0n, {}],
      [1, 1, { width: 24 }],
      [1, 1, { width: 64 }],
    ] as unknown as [number, number, { width: 8 }][]) {
      expectError(() => at.pollMaskSync(8, mask, value, options), "ERR_VFIO_POLL_TARGET");
      expect(await expectRejection(at.pollMask(8, mask, value, options), "")).toBeInstanceOf(RangeError);
    }
    for (const timeoutMs of [-1, NaN, "5" as never]) {
      expectError(() => at.pollMaskSync(8, 1, 1, { timeoutMs }), "ERR_VFIO_WAIT_ARGUMENT");
      await expectRejection(at.pollMask(8, 1, 1, { timeoutMs }), "ERR_VFIO_WAIT_ARGUMENT");
      await expectRejection(at.pollMask(8, 1, 1, { intervalMs: timeoutMs }), "ERR_VFIO_WAIT_ARGUMENT");
    }
  });
});

describe("given a 64-bit register", () => {
  it.each([0, 2])("mask and value are bigints, and so is the answer (region %s)", async (index) => {
    const region = regions[index]!;
    region.write64(16, 1n << 63n);

    expect(await region.pollMask(16, 1n << 63n, 1n << 63n)).toBe(1n << 63n);
    expectError(() => region.pollMaskSync(16, 1n, 1n, { timeoutMs: 0 }), "… it is 0x8000000000000000");
  });
});
