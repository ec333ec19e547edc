import { LinearMemory } from "@vfio/ioctl-native";
import { FrameRing } from "./frame-ring.js";
import { ipv4Frame } from "./frames.js";
import { packetFilter, VERDICT, type PacketFilter } from "./packet-filter.js";
import { PlainPacketFilter } from "./plain-packet-filter.js";

const SLOTS = 256;
const ROUNDS = 2000;
const WANTED_PORT = 53;

/** What one form of the filter did. */
export interface Filtered {
  readonly name: string;
  /** How many of the ring's frames got each verdict. */
  readonly verdicts: Readonly<Record<string, number>>;
  readonly nanoseconds: number;
}

/** Lets both forms of the filter judge the same frames, many times over, in DMA memory. */
export function filterFrames(rounds = ROUNDS): Filtered[] {
  const memory = new LinearMemory({ bytes: 4 << 20 });
  using ring = new FrameRing(memory, SLOTS);
  ring.want(WANTED_PORT);
  for (let slot = 0; slot < SLOTS; slot++) ring.receive(slot, frameFor(slot));
  const filters = { compiled: packetFilter(memory.memory), plain: new PlainPacketFilter(memory.buffer) };
  return Object.entries(filters).map(([name, filter]) => ({
    name,
    nanoseconds: nanosecondsPerFrame(ring, filter, rounds),
    verdicts: countVerdicts(ring),
  }));
}

/** Of four, one is wanted, one is not, one is no IPv4 and one is damaged. */
function frameFor(slot: number): Uint8Array {
  const frame = ipv4Frame({ port: slot % 4 === 1 ? 80 : WANTED_PORT });
  if (slot % 4 === 2) frame[12] = 0x86;
  if (slot % 4 === 3) frame[24] = 0xff;
  return frame;
}

function nanosecondsPerFrame(ring: FrameRing, filter: PacketFilter, rounds: number): number {
  let total = 0n;
  for (let round = 0; round < rounds; round++) {
    ring.receiveAgain();
    const started = process.hrtime.bigint();
    if (ring.judge(filter) !== ring.slots) throw new Error("the filter left frames in the ring");
    total += process.hrtime.bigint() - started;
  }
  return Number(total) / (rounds * ring.slots);
}

function countVerdicts(ring: FrameRing): Record<string, number> {
  const counts = Object.entries(VERDICT).map(([name, verdict]) => [name, countOf(ring, verdict)] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

function countOf(ring: FrameRing, verdict: number): number {
  let count = 0;
  for (let slot = 0; slot < ring.slots; slot++) if (ring.verdictOf(slot) === verdict) count++;
  return count;
}
