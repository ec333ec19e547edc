import { setTimeout as sleep } from "node:timers/promises";
import type { RegisterFunctions } from "@vfio/ioctl-native";

/** Intel 82574L datasheet, chapter 10. None of these changes by being read; the statistics registers would. */
const STATUS = 0x0008;
const RECEIVE_ADDRESS_LOW = 0x5400;
const RECEIVE_ADDRESS_HIGH = 0x5404;
const RECEIVE_RING = 0x2800;
const TRANSMIT_RING = 0x3800;
const RING = { length: 0x08, head: 0x10, tail: 0x18 };

const DESCRIPTOR_BYTES = 16;
const FULL_DUPLEX = 1 << 0;
const LINK_UP = 1 << 1;
const SPEEDS = [10, 100, 1000, 1000];

const LINK_MS = 50;
const LINK_LOOKS = 100;

/** Reads only. */
export type Registers = Pick<RegisterFunctions, "read32">;

export interface Ring {
  readonly descriptors: number;
  readonly head: number;
  readonly tail: number;
}

export function macAddress(registers: Registers): string {
  const low = registers.read32(RECEIVE_ADDRESS_LOW);
  const high = registers.read32(RECEIVE_ADDRESS_HIGH);
  const bytes = [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8];
  return bytes.map((byte) => (byte & 0xff).toString(16).padStart(2, "0")).join(":");
}

/** "up, 1000 Mbit/s, full duplex", or "down". */
export function linkStatus(registers: Registers): string {
  const status = registers.read32(STATUS);
  if ((status & LINK_UP) === 0) return "down";
  return `up, ${SPEEDS[(status >>> 6) & 3]} Mbit/s, ${(status & FULL_DUPLEX) === 0 ? "half" : "full"} duplex`;
}

/** Waits some seconds for the link: it comes up a moment after its driver has started it. */
export async function waitForLink(registers: Registers, signal: AbortSignal): Promise<void> {
  for (let looks = 0; looks < LINK_LOOKS; looks++) {
    if ((registers.read32(STATUS) & LINK_UP) !== 0) return;
    await sleep(LINK_MS, undefined, { signal });
  }
}

export function receiveRing(registers: Registers): Ring {
  return ringAt(registers, RECEIVE_RING);
}

export function transmitRing(registers: Registers): Ring {
  return ringAt(registers, TRANSMIT_RING);
}

function ringAt(registers: Registers, base: number): Ring {
  return {
    descriptors: registers.read32(base + RING.length) / DESCRIPTOR_BYTES,
    head: registers.read32(base + RING.head),
    tail: registers.read32(base + RING.tail),
  };
}
