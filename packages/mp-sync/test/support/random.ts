/** Where another seed of a fuzzer comes from; without it every run is the same. */
const SEED_VARIABLE = "MP_SYNC_FUZZ_SEED";
const USUAL_SEED = "1";
const LOOK_EVERY_MS = 1000;
const LOOKS = 60;

/** A stream of numbers that one seed determines (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** The packet with a bit turned over, cut off, made longer, or emptied. */
  mutate(packet: Uint8Array): Uint8Array {
    const at = this.below(packet.length || 1);
    switch (this.below(4)) {
      case 0:
        return packet.map((byte, index) => (index === at ? byte ^ (1 << this.below(8)) : byte));
      case 1:
        return packet.slice(0, at);
      case 2:
        return Uint8Array.from([...packet, ...this.bytes(1 + this.below(40))]);
      default:
        return this.bytes(packet.length);
    }
  }
}

/** Runs a fuzzer, which fails when its progress stands still; what it fails with names the seed. */
export async function fuzz(progress: () => number, run: (random: Random) => Promise<void>): Promise<void> {
  const seed = chosenSeed();
  try {
    await whileItGoesOn(progress, run(new Random(seed)));
  } catch (error) {
    throw new Error(`the fuzzer failed: ${String(error)}. To play it again: ${SEED_VARIABLE}=${seed}`, {
      cause: error,
    });
  }
}

function chosenSeed(): number {
  const text = process.env[SEED_VARIABLE] ?? USUAL_SEED;
  if (!/^\d+$/.test(text)) throw new Error(`${SEED_VARIABLE} is "${text}", not a whole number`);
  return Number(text);
}

/**
 * Work that may take as long as this machine needs, as long as it goes on: rejects when its progress has stood still for
 * a minute. The minute is counted in looks, so that one in which this process did not run does not count.
 */
async function whileItGoesOn(progress: () => number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    let last = progress();
    let idle = 0;
    timer = setInterval(() => {
      const now = progress();
      idle = now === last ? idle + 1 : 0;
      last = now;
      if (idle >= LOOKS) reject(new Error(`it hangs: nothing has moved for ${LOOKS} s after ${now}`));
    }, LOOK_EVERY_MS);
  });
  try {
    await Promise.race([work, stuck]);
  } finally {
    clearInterval(timer);
  }
}
