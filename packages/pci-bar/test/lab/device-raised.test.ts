import { leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import type { Interrupts, OpenRegion } from "../../src/index.js";
import { E1000E, openDevice } from "./machine.js";

leavesNothingBehind();

/** Registers of an Intel 82574 (its datasheet, section 10.2.4): which causes there are, and how they interrupt. */
const CTRL = 0x0000;
const CTRL_RST = 1 << 26;
const ICR = 0x00c0;
const ICS = 0x00c8;
const IMS = 0x00d0;
const IVAR = 0x00e4;

/**
 * Those of the queues; "other" is left out, for the card raises it itself when its link comes up. Each
 * cause with its bit in ICR, and where IVAR has its vector: 3 bits, and a fourth that says that it counts.
 */
const CAUSES = [
  { cause: 1 << 20, place: 0 },
  { cause: 1 << 21, place: 4 },
  { cause: 1 << 22, place: 8 },
  { cause: 1 << 23, place: 12 },
] as const;
const VALID = 1 << 3;

/** Maps the cause at each place to a vector, and lets all of them interrupt. */
function assign(bar: OpenRegion, vectors: readonly number[]): void {
  let ivar = 0;
  vectors.forEach((vector, index) => (ivar |= (VALID | vector) << (CAUSES[index]?.place ?? 0)));
  bar.write32(IVAR, ivar);
  bar.write32(IMS, CAUSES.reduce((all, { cause }) => all | cause, 0) >>> 0);
}

/** Has the card raise a cause; it is acknowledged at once, so that it can come again. */
function raise(bar: OpenRegion, index: number): void {
  const cause = CAUSES[index]?.cause ?? 0;
  bar.write32(ICS, cause);
  bar.write32(ICR, cause);
}

/**
 * Resets the card's own logic, and with it the timer that spaces its interrupts. QEMU's card ends the whole machine if
 * that timer, which each interrupt starts, finds MSI-X disabled when it runs out.
 */
function quieten(bar: OpenRegion): void {
  bar.write32(CTRL, CTRL_RST);
}

/** A card that is quiet before its interrupts are switched off, whatever happens. */
function openCard() {
  const card = openDevice(E1000E);
  const bar = card.pci.bar(0).map();
  card.pci.busMaster = true;
  return {
    pci: card.pci,
    bar,
    [Symbol.dispose]() {
      quieten(bar);
      card[Symbol.dispose]();
    },
  };
}

function counts(interrupts: Interrupts): number[] {
  return interrupts.vectors.map((vector) => vector.poll());
}

describe("given a network card that raises MSI-X itself, through the table that the kernel has written", () => {
  it("each cause comes on the vector that it is mapped to, and on no other", async () => {
    using card = openCard();
    const { bar } = card;
    const interrupts = card.pci.setUpInterrupts({ type: "msix", vectors: 5 });
    interrupts.enable();
    assign(bar, [4, 3, 2, 1]);

    for (const [index, vector] of [4, 3, 2, 1].entries()) {
      raise(bar, index);
      expect(await interrupts.vector(vector).wait({ timeoutMs: 5000 })).toBe(1);
      expect(counts(interrupts)).toEqual([0, 0, 0, 0, 0]);
    }
  });

  it("vectors that are set up from 2 on, and one that is added while they are enabled, are the device's own", async () => {
    using card = openCard();
    const { bar } = card;
    const interrupts = card.pci.setUpInterrupts({ type: "msix", start: 2, vectors: 1 });
    interrupts.enable();
    assign(bar, [2]);
    raise(bar, 0);
    expect(await interrupts.vector(2).wait({ timeoutMs: 5000 })).toBe(1);

    quieten(bar);
    interrupts.addVectors(2);
    assign(bar, [2, 3, 4]);
    for (const [index, vector] of [2, 3, 4].entries()) {
      raise(bar, index);
      expect(await interrupts.vector(vector).wait({ timeoutMs: 5000 })).toBe(1);
      expect(counts(interrupts)).toEqual([0, 0, 0]);
    }
  });

  it("after a reset they come as before", async () => {
    using card = openCard();
    const { bar } = card;
    const interrupts = card.pci.setUpInterrupts({ type: "msix", vectors: 3 });
    interrupts.enable();

    card.pci.reset();
    assign(bar, [2]);
    raise(bar, 0);
    expect(await interrupts.vector(2).wait({ timeoutMs: 5000 })).toBe(1);
  });
});
