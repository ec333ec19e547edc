import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeConfig,
  walkExtendedCapabilities,
  walkStandardCapabilities,
  type SizedConfig,
} from "../src/config/index.js";
import { brokenConfigSpaces } from "./config-spaces.js";

const RUNS = 200_000;
/** Standard capabilities are at 48 places and extended ones at 960; a register block is read at most once each. */
const MOST_READS = 200_000;

/** A config space that nobody may read beside, across its end or out of step, nor for ever. */
class GuardedConfig implements SizedConfig {
  readonly bytes: number;
  readonly #view: DataView;
  reads = 0;

  constructor(picture: Uint8Array) {
    this.bytes = picture.length;
    this.#view = new DataView(picture.buffer, picture.byteOffset, picture.byteLength);
  }

  read8(offset: number): number {
    return this.#view.getUint8(this.#checked(offset, 1));
  }

  read16(offset: number): number {
    return this.#view.getUint16(this.#checked(offset, 2), true);
  }

  read32(offset: number): number {
    return this.#view.getUint32(this.#checked(offset, 4), true);
  }

  #checked(offset: number, width: number): number {
    this.reads++;
    if (offset % width !== 0) throw new Error(`${width} bytes at ${offset}: misaligned`);
    if (offset < 0 || offset + width > Math.min(this.bytes, 4096)) throw new Error(`${offset} is outside`);
    if (this.reads > MOST_READS) throw new Error("it reads for ever");
    return offset;
  }
}

describe("given config spaces full of noise", () => {
  it("every walk ends, stays in its area, and finds nothing twice", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(brokenConfigSpaces, (picture) => {
        const config = new GuardedConfig(picture);
        const standard = walkStandardCapabilities(config, Math.min(config.bytes, 256)).found;
        const extended = walkExtendedCapabilities(config).found;
        const isInside = ({ offset }: { offset: number }, first: number, end: number): boolean =>
          offset >= first && offset % 4 === 0 && offset + 4 <= Math.min(end, config.bytes);
        return (
          new Set(standard.map(({ offset }) => offset)).size === standard.length &&
          new Set(extended.map(({ offset }) => offset)).size === extended.length &&
          standard.every((place) => isInside(place, 0x40, 0x100)) &&
          extended.every((place) => isInside(place, 0x100, 0x1000))
        );
      }),
      { numRuns: RUNS },
    );
  });

  it("every one of them is decoded to data, text and JSON, without an error", { timeout: 120_000 }, () => {
    let kinds = 0;
    fc.assert(
      fc.property(brokenConfigSpaces, (picture) => {
        const config = decodeConfig(new GuardedConfig(picture));
        kinds |= config.capabilities.some(({ kind }) => kind !== "unknown") ? 1 : 0;
        kinds |= config.capabilities.some(({ kind }) => kind === "unknown") ? 2 : 0;
        kinds |= config.problems.length > 0 ? 4 : 0;
        return config.describe().length > 0 && JSON.stringify(config).length > 0;
      }),
      { numRuns: RUNS / 20 },
    );
    // Otherwise the noise would have shown nothing.
    expect(kinds).toBe(7);
  });
});
