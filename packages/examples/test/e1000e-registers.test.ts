import { describe, expect, it } from "vitest";
import {
  linkStatus,
  macAddress,
  receiveRing,
  transmitRing,
  waitForLink,
} from "../src/dpdk/e1000e-registers.js";

/** A card whose registers are those of the list, and which refuses to have any other read. */
function card(registers: Readonly<Record<number, number>>) {
  return {
    read32(offset: number): number {
      const value = registers[offset];
      if (value === undefined) throw new Error(`0x${offset.toString(16)} was read`);
      return value;
    },
  };
}

describe("given the registers of an 82574L", () => {
  it("the MAC address is in two of them, lowest byte first; what else is in the second does not count", () => {
    expect(macAddress(card({ 0x5400: 0x12005452, 0x5404: 0x80005634 }))).toBe("52:54:00:12:34:56");
  });

  it.each([
    [0x0, "down"],
    [0x2, "up, 10 Mbit/s, half duplex"],
    [0x43, "up, 100 Mbit/s, full duplex"],
    [0x83, "up, 1000 Mbit/s, full duplex"],
    [0x800000c3, "up, 1000 Mbit/s, full duplex"],
  ])("a status of 0x%s is a link that is %s", (status, text) => {
    expect(linkStatus(card({ 0x8: status }))).toBe(text);
  });

  it.each([
    ["is up", [0x2]],
    ["comes up", [0x0, 0x0, 0x2]],
  ])("a link that %s is waited for, and not longer", async (_name, states) => {
    const left = [...states];
    await waitForLink({ read32: () => left.shift()! }, new AbortController().signal);
    expect(left).toEqual([]);
  });

  it("a link that stays down is no longer waited for when the program is to end", async () => {
    const ending = new AbortController();
    const waiting = waitForLink(card({ 0x8: 0 }), ending.signal);
    ending.abort();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
  });

  it("each ring has its length in bytes, 16 for each descriptor, its head and its tail", () => {
    const rings = card({ 0x2808: 4096, 0x2810: 3, 0x2818: 255, 0x3808: 512, 0x3810: 32, 0x3818: 31 });
    expect(receiveRing(rings)).toEqual({ descriptors: 256, head: 3, tail: 255 });
    expect(transmitRing(rings)).toEqual({ descriptors: 32, head: 32, tail: 31 });
  });
});
