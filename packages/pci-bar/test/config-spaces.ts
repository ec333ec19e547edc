import fc from "fast-check";

/** A capability to put into a made-up config space: its id and how many bytes it takes at most. */
type Kind = readonly [id: number, bytes: number];

/** Standard capabilities: power management, MSI, vendor-specific, subsystem ids, PCI Express, MSI-X, advanced features. */
const STANDARD: readonly Kind[] = [
  ...[[0x01, 8] as const, [0x05, 24] as const, [0x09, 16] as const, [0x0d, 8] as const],
  ...[[0x10, 60] as const, [0x11, 12] as const, [0x13, 8] as const],
];
/** Extended ones: AER, serial number, vendor-specific, ACS, ARI, ATS, SR-IOV, LTR, L1 substates, DVSEC. */
const EXTENDED: readonly Kind[] = [
  ...[[0x01, 56] as const, [0x03, 12] as const, [0x0b, 16] as const, [0x0d, 8] as const, [0x0e, 8] as const],
  ...[[0x0f, 8] as const, [0x10, 64] as const, [0x18, 8] as const, [0x1e, 16] as const, [0x23, 16] as const],
];
/** Anything, the same for the same seed: much quicker than an array of arbitrary numbers. */
function noise(seed: number, words: number): Uint32Array {
  let state = seed | 1;
  return Uint32Array.from({ length: words }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}

/** Registers are often empty or full or have one bit, and otherwise anything. */
function registers(seed: number): Uint32Array {
  const choices = noise(seed, 1024);
  const values = noise(~seed, 1024);
  return values.map((value, index) => {
    const choice = (choices[index] ?? 0) & 3;
    return [0, 0xffffffff, 1 << (value & 31), value][choice] ?? value;
  });
}

/** A made-up config space: its registers, and which capabilities lie in them. */
interface Recipe {
  readonly words: Uint32Array;
  readonly isBridge: boolean;
  readonly standard: readonly Kind[];
  readonly extended: readonly Kind[];
}

/** A config space whose lists are sound and whose registers hold anything. */
export const soundConfigSpaces: fc.Arbitrary<Uint8Array> = fc
  .record({
    words: fc.integer().map(registers),
    isBridge: fc.boolean(),
    standard: fc.shuffledSubarray([...STANDARD]),
    extended: fc.shuffledSubarray([...EXTENDED]),
  })
  .map(soundConfigSpace);

function soundConfigSpace({ words, isBridge, standard, extended }: Recipe): Uint8Array {
  const view = new DataView(words.buffer);
  fixHeader(view, isBridge);
  placeStandard(view, standard);
  // Without PCI Express it does not look for extended capabilities.
  placeExtended(view, standard.some(([id]) => id === 0x10) ? extended : []);
  return new Uint8Array(view.buffer);
}

/**
 * Some of those, the same ones always, each with every capability: noise for each type of port; and root ports in which
 * all registers repeat the same four bits, so that every field of up to four bits has each of its values.
 * What lspci reads in them is in `fixtures`.
 */
export const recordedConfigSpaces: readonly Uint8Array[] = [
  ...Array.from({ length: 12 }, (_, type) => recorded(noise((type + 1) * 0x9e37_79b9, 1024), type)),
  ...Array.from({ length: 16 }, (_, bits) => recorded(new Uint32Array(1024).fill(bits * 0x1111_1111), 4)),
];

function recorded(words: Uint32Array, portType: number): Uint8Array {
  const isBridge = [4, 6, 7].includes(portType);
  const picture = soundConfigSpace({ words, isBridge, standard: STANDARD.toReversed(), extended: EXTENDED });
  const first = picture[0x34] ?? 0;
  const express = picture.findIndex((id, at) => at >= first && at % 4 === 0 && id === 0x10);
  picture[express + 2] = (portType << 4) | 2;
  picture[express + 3] = 1;
  return picture;
}

/** The registers that say: there is a capability list, and it begins at 0x40. */
export const LIST = { 0x04: 0x0010_0000, 0x34: 0x40 };

/** Config spaces with a single capability that is not decoded, behind PCI Express where it is an extended one. */
export const unknownCapabilities: readonly Uint8Array[] = [
  ...unknownIds(STANDARD, 0x15).map((id) => bytesOfWords({ ...LIST, 0x40: id })),
  ...unknownIds(EXTENDED, 0x2e).map((id) =>
    bytesOfWords({ ...LIST, 0x40: 0x0002_0010, 0x100: 0x1_0000 | id }),
  ),
];

function unknownIds(known: readonly Kind[], last: number): number[] {
  const ids = Array.from({ length: last + 1 }, (_, id) => id);
  return ids.filter((id) => !known.some(([each]) => each === id));
}

/** The bytes of a config space with 32-bit words at some offsets. */
export function bytesOfWords(words: Readonly<Record<number, number>>, bytes = 4096): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  for (const [offset, word] of Object.entries(words)) view.setUint32(Number(offset), word, true);
  return new Uint8Array(view.buffer);
}

/** What is not sound at all: noise of any length, in half of which every fourth byte links to somewhere. */
export const brokenConfigSpaces: fc.Arbitrary<Uint8Array> = fc
  .record({
    seed: fc.integer(),
    bytes: fc.constantFrom(64, 68, 128, 252, 256, 260, 512, 4092, 4096),
    linked: fc.boolean(),
  })
  .map(({ seed, bytes, linked }) => {
    const words = noise(seed, bytes / 4);
    const view = new DataView(words.buffer);
    view.setUint8(0x06, view.getUint8(0x06) | 0x10);
    if (linked) for (let at = 0x40; at < bytes; at += 4) link(view, at);
    return new Uint8Array(words.buffer);
  });

/** Makes a word look like the header of a capability that we decode. */
function link(view: DataView, at: number): void {
  const [kinds, value] = [at < 0x100 ? STANDARD : EXTENDED, view.getUint32(at, true)];
  const id = kinds[value % kinds.length]?.[0] ?? 0;
  if (at < 0x100) view.setUint8(at, id);
  else view.setUint32(at, ((value & 0xffff0000) | id) >>> 0, true);
}

/** Keeps what lspci 3.9 reads in its own way out of the comparison; each rule says what. */
function fixHeader(view: DataView, isBridge: boolean): void {
  // A vendor of whom lspci knows nothing, so that it does not decode what is that vendor's own.
  view.setUint16(0x00, 0x1234, true);
  view.setUint8(0x06, view.getUint8(0x06) | 0x10);
  view.setUint8(0x0e, (view.getUint8(0x0e) & 0x80) | (isBridge ? 1 : 0));
  view.setUint16(0x0a, isBridge ? 0x0604 : 0x0200, true);
  view.setUint8(0x34, 0x40);
  // Of a pin beyond INTD# it prints whatever character comes then.
  view.setUint8(0x3d, view.getUint8(0x3d) % 5);
  fixBars(view, 0x10, isBridge ? 2 : 6);
  const rom = isBridge ? 0x38 : 0x30;
  // A ROM register of all ones it calls "ignored".
  if (view.getUint32(rom, true) === 0xffffffff) view.setUint32(rom, 0, true);
  if (!isBridge) return;
  for (const at of [0x1c, 0x20, 0x24]) fixWindow(view, at, at === 0x20 ? 0 : 1);
  // Sizes beyond 2^52 overflow in its units.
  for (const upper of [0x28, 0x2c]) view.setUint32(upper, view.getUint32(upper, true) & 0xff, true);
}

/** In a dump, it takes the upper half of a 64-bit address for one more BAR. */
function fixBars(view: DataView, first: number, count: number): void {
  for (let index = 0; index < count; index++) {
    const low = view.getUint32(first + 4 * index, true);
    if (low !== 0xffffffff && (low & 7) === 4 && index + 1 < count)
      view.setUint32(first + 4 * ++index, 0, true);
  }
}

/** Virtual functions have memory BARs of 32 or 64 bits only, which it does not check. */
function fixVfBars(view: DataView, first: number): void {
  for (let index = 0; index < 6; index++) {
    const low = view.getUint32(first + 4 * index, true);
    const isWide = (low & 4) !== 0 && index < 5;
    view.setUint32(first + 4 * index, ((low & ~7) | (isWide ? 4 : 0)) >>> 0, true);
    if (isWide) index++;
  }
}

/** The types of base and limit must agree, and memory has only one: of others it prints the registers. */
function fixWindow(view: DataView, at: number, types: number): void {
  const limit = at === 0x1c ? at + 1 : at + 2;
  const type = view.getUint8(at) & types;
  for (const byte of [at, limit]) view.setUint8(byte, (view.getUint8(byte) & 0xf0) | type);
}

function placeStandard(view: DataView, kinds: readonly Kind[]): void {
  let at = 0x40;
  let link = 0x34;
  for (const [id, bytes] of kinds) {
    if (at + bytes > 0x100) continue;
    view.setUint8(link, at);
    view.setUint8(at, id);
    fixStandard(view, id, at);
    link = at + 1;
    at += bytes;
  }
  view.setUint8(link, 0);
}

function fixStandard(view: DataView, id: number, at: number): void {
  // It looks for the bits of a bridge's power management in another register.
  if (id === 0x01) view.setUint8(at + 6, 0);
  // It compares the codes of speeds even where nobody knows what they mean.
  if (id !== 0x10) return;
  for (const speed of [at + 0x0c, at + 0x12]) view.setUint8(speed, knownSpeed(view.getUint8(speed)));
  // It prints a line about link capabilities 2 for reserved bits, too.
  view.setUint32(at + 0x2c, view.getUint32(at + 0x2c, true) & ~0x7e000001, true);
}

function knownSpeed(register: number): number {
  return (register & 0xf0) | ((register & 0xf) % 7);
}

function placeExtended(view: DataView, kinds: readonly Kind[]): void {
  if (kinds.length === 0) view.setUint32(0x100, 0, true);
  kinds.reduce((at, [id, bytes], index) => {
    const next = index === kinds.length - 1 ? 0 : at + bytes;
    view.setUint32(at, (id | (1 << 16) | (next << 20)) >>> 0, true);
    fixExtended(view, id, at);
    return at + bytes;
  }, 0x100);
}

function fixExtended(view: DataView, id: number, at: number): void {
  if (id === 0x10) fixVfBars(view, at + 0x24);
  // A reserved scale of a latency makes it overflow.
  if (id === 0x18) for (const each of [at + 5, at + 7]) view.setUint8(each, view.getUint8(each) & 0x13);
  // It knows the capabilities of one designated vendor.
  if (id === 0x23 && view.getUint16(at + 4, true) === 0x1e98) view.setUint16(at + 4, 0, true);
}
