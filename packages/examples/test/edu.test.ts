import { createMemoryFile, Mapping } from "@vfio/ioctl-native";
import { OpenRegion } from "@vfio/pci-bar";
import { leavesNothingBehind, rejectionOf, expectRejection } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Edu } from "../src/edu.js";

leavesNothingBehind();

const DMA_COMMAND = 0x98;
let edu: Edu;
beforeEach(() => {
  using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
  const mapping = Mapping.map({ file, bytes: 4096, name: "edu" });
  const windows = [{ offset: 0, mapping }];
  edu = new Edu(new OpenRegion({ index: 0, name: "edu", bytes: 4096, writable: true, windows }));
  edu.registers.dmaCommand.write({ start: true });
});
afterEach(() => edu.bar.close());

describe("given a DMA transfer whose end is seen in the device's register", () => {
  it("the wait ends with it", async () => {
    const waiting = edu.dmaDone();
    edu.bar.write64(DMA_COMMAND, 0n);

    await expect(waiting).resolves.toBeUndefined();
  });

  it("a transfer that never ends is an error that names it, with the limit", async () => {
    await expectRejection(
      edu.dmaDone({ timeoutMs: 0 }),
      "ERR_VFIO_TIMEOUT … the edu device's DMA did not end within 0 ms",
      { hint: undefined },
    );
  });

  it("a device that is gone answers with ones: the error says what follows from that", async () => {
    for (let at = 0; at < 4096; at += 8) edu.bar.write64(at, 2n ** 64n - 1n);

    await expectRejection(
      edu.dmaDone({ timeoutMs: 0 }),
      "ERR_VFIO_TIMEOUT … the device is gone, or its memory space is off",
    );
  });

  it("an abort ends the wait with its reason, also one from before", async () => {
    const ending = new AbortController();
    const waiting = rejectionOf(edu.dmaDone({ signal: ending.signal }));
    const reason = new Error("ended by SIGTERM");

    ending.abort(reason);

    expect(await waiting).toBe(reason);
    expect(await rejectionOf(edu.dmaDone({ signal: ending.signal }))).toBe(reason);
  });
});

describe("given a DMA transfer that is started", () => {
  it("its registers hold source, destination and count, and the command says which way", () => {
    edu.copyFromDevice(0x1_2345_6000n, 100, { interrupt: true });

    expect(edu.bar.read64(0x80)).toBe(0x40000n);
    expect(edu.bar.read64(0x88)).toBe(0x1_2345_6000n);
    expect(edu.bar.read64(0x90)).toBe(100n);
    expect(edu.bar.read64(DMA_COMMAND)).toBe(7n);
    edu.copyToDevice(0x1000n, 8, { interrupt: false });
    expect([edu.bar.read64(0x80), edu.bar.read64(DMA_COMMAND)]).toEqual([0x1000n, 1n]);
  });
});
