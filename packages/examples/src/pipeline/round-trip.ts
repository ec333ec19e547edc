import type { IovaTable } from "@vfio/dma";
import { EDU_MAX_TRANSFER, type Edu } from "../edu.js";
import type { Facts } from "./events.js";
import { hex } from "./facts.js";

/** A little less than the device can take at once. */
const BYTES = EDU_MAX_TRANSFER - 95;

export interface RoundTripPlaces {
  readonly source: number;
  readonly target: number;
}

export interface DmaView {
  readonly buffer: ArrayBuffer;
  readonly table: Pick<IovaTable, "iovaOf">;
}

/**
 * Copies a pattern from memory into the device and back to another place, and compares every byte.
 * @param seed makes each pattern different, so that an old one cannot pass.
 * @param done waits for the end of one transfer.
 */
export async function dmaRoundTrip(
  edu: Edu,
  memory: DmaView,
  places: RoundTripPlaces,
  seed: number,
  done: () => Promise<void>,
  options: { interrupt: boolean },
): Promise<Facts> {
  const source = new Uint8Array(memory.buffer, places.source, BYTES);
  const target = new Uint8Array(memory.buffer, places.target, BYTES);
  source.forEach((_, index) => (source[index] = patternByte(index, seed)));
  target.fill(0);

  edu.copyToDevice(memory.table.iovaOf(places.source, BYTES), BYTES, options);
  await done();
  // Now only the device has the pattern; otherwise a copy that never left the memory would pass.
  source.fill(0);
  edu.copyFromDevice(memory.table.iovaOf(places.target, BYTES), BYTES, options);
  await done();

  const wrong = target.findIndex((byte, index) => byte !== patternByte(index, seed));
  if (wrong >= 0) throw new Error(`byte ${wrong} came back as ${hex(target[wrong] ?? 0)} from the device`);
  return {
    bytesVerified: BYTES,
    from: hex(memory.table.iovaOf(places.source)),
    to: hex(memory.table.iovaOf(places.target)),
  };
}

function patternByte(index: number, seed: number): number {
  return (index * 31 + (index >> 8) * 17 + seed) & 0xff;
}
