import type { OpenRegion } from "@vfio/pci-bar";
import { rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Edu } from "../src/edu.js";

/** An edu device whose transfer ends when its command register was looked at so many times. */
function eduThatIsDoneAfter(looks: number): Edu {
  let looked = 0;
  const bar = { read64: () => (++looked > looks ? 0n : 1n) };
  return new Edu(bar as unknown as OpenRegion);
}

describe("given a DMA transfer whose end is seen in the device's register", () => {
  it("the wait ends with it", async () => {
    await expect(eduThatIsDoneAfter(3).dmaDone()).resolves.toBeUndefined();
  });

  it("a transfer that never ends is an error that names it, with the limit", async () => {
    const error = await rejectionOf(eduThatIsDoneAfter(Infinity).dmaDone({ timeoutMs: 0 }));

    expect(error).toMatchObject({ code: "ERR_VFIO_TIMEOUT" });
    expect(error.message).toContain("the edu device's DMA did not end within 0 ms");
    expect(error.hint).toContain("bus mastering");
  });

  it("an abort ends the wait with its reason, also one from before", async () => {
    const edu = eduThatIsDoneAfter(Infinity);
    const ending = new AbortController();
    const waiting = rejectionOf(edu.dmaDone({ signal: ending.signal }));
    const reason = new Error("ended by SIGTERM");

    ending.abort(reason);

    expect(await waiting).toBe(reason);
    expect(await rejectionOf(edu.dmaDone({ signal: ending.signal }))).toBe(reason);
  });
});
