/**
 * A choice that looks random and is the same for each seed.
 * @template T
 * @param {readonly T[]} all
 * @param {number} count all of them, if there are fewer.
 * @param {number} seed a whole number.
 * @returns {T[]} in the order of `all`.
 */
export function sample(all, count, seed) {
  const random = randomNumbers(seed);
  const rest = all.map((_, index) => index);
  const chosen = new Set();
  while (chosen.size < count && rest.length > 0)
    chosen.add(rest.splice(Math.floor(random() * rest.length), 1)[0]);
  return all.filter((_, index) => chosen.has(index));
}

/** Numbers from 0 to below 1 by mulberry32: small, and good enough to choose with. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
