import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { staysAsItWas } from "@vfio/test-support";
import { expect } from "vitest";

/** What this process has open: "fd → target". */
export function openFds(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} → ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // the one that read the folder
    }
  });
}

/** After each test of the file, the process must have open what it had before. */
export function fdsStayAsTheyWere(): void {
  staysAsItWas(openFds);
}

/** Lines of /proc/self/maps that mention a text. */
export function mapsWith(text: string): string[] {
  return readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.includes(text));
}

/** The line of /proc/self/maps that an address lies in. */
export function mapAt(address: bigint): string | undefined {
  return mapsWith("-").find((line) => {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+)/.exec(line) ?? [];
    return BigInt(`0x${start}`) <= address && address < BigInt(`0x${end}`);
  });
}

/** Collects garbage until something is true: finalizers run some turns of the event loop later. */
export async function collectGarbageUntil(isTrue: () => boolean): Promise<void> {
  for (let round = 0; round < 200 && !isTrue(); round++) {
    globalThis.gc?.();
    await setImmediate();
  }
  expect(isTrue(), "what should be garbage is still alive").toBe(true);
}
