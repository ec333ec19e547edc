// AssemblyScript: goes round a ring of 256 descriptors of 16 bytes as a driver does: is the next one done, and how long
// is its frame; then an address in halves, and the status. ring.c does the same. The last store does what a device
// would: it makes the descriptor one that is done, for the next round.

const BYTES: usize = 256 * 16;
const LINE: usize = 64;
const DONE: u32 = 1;

/** The four descriptors of a cache line in each turn of the loop. */
export function byFour(ring: usize, rounds: u32): u32 {
  let sum: u32 = 0;
  for (let round: u32 = 0; round < rounds; round++) sum += lines(ring);
  return sum;
}

export function oneByOne(ring: usize, rounds: u32): u32 {
  let sum: u32 = 0;
  for (let round: u32 = 0; round < rounds; round++) sum += descriptors(ring);
  return sum;
}

function lines(ring: usize): u32 {
  const end = ring + BYTES;
  let sum: u32 = 0;
  for (let at = ring; at < end; at += LINE) {
    if ((load<u32>(at, 12) & DONE) == 0) break;
    sum += load<u32>(at, 8);
    store<u32>(at, at);
    store<u32>(at, 1, 4);
    store<u32>(at, DONE, 12);
    if ((load<u32>(at, 28) & DONE) == 0) break;
    sum += load<u32>(at, 24);
    store<u32>(at, at, 16);
    store<u32>(at, 1, 20);
    store<u32>(at, DONE, 28);
    if ((load<u32>(at, 44) & DONE) == 0) break;
    sum += load<u32>(at, 40);
    store<u32>(at, at, 32);
    store<u32>(at, 1, 36);
    store<u32>(at, DONE, 44);
    if ((load<u32>(at, 60) & DONE) == 0) break;
    sum += load<u32>(at, 56);
    store<u32>(at, at, 48);
    store<u32>(at, 1, 52);
    store<u32>(at, DONE, 60);
  }
  return sum;
}

function descriptors(ring: usize): u32 {
  const end = ring + BYTES;
  let sum: u32 = 0;
  for (let at = ring; at < end; at += 16) {
    if ((load<u32>(at, 12) & DONE) == 0) break;
    sum += load<u32>(at, 8);
    store<u32>(at, at);
    store<u32>(at, 1, 4);
    store<u32>(at, DONE, 12);
  }
  return sum;
}
