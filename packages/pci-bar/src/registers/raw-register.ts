import type { RegisterFunctions, RegisterWidth } from "@vfio/ioctl-native";
import type { OpenRegion } from "../regions/open-region.js";

/** The part of a region that a register block uses. */
export type RegisterRegion = RegisterFunctions &
  Pick<OpenRegion, "name" | "bytes" | "readHalves" | "writeHalves" | "pollMask" | "pollMaskSync"> &
  Partial<Pick<OpenRegion, "windows">>;

/** One register at one place: every function is one access. */
export interface RawRegister {
  readonly readRaw: () => number | bigint;
  readonly writeRaw: (value: never) => void;
  readonly load: (halves: Uint32Array) => void;
  readonly store: (halves: Uint32Array) => void;
}

/** Made once for a register, so that V8 finds the same function at the same place each time. */
export function rawRegister(region: RegisterRegion, offset: number, width: RegisterWidth): RawRegister {
  if (width === 64) return wideRegister(region, offset);
  const { read8, read16, read32, write8, write16, write32 } = region;
  if (width === 32) {
    return {
      readRaw: () => read32(offset),
      writeRaw: (value) => write32(offset, value),
      load: (halves) => void (halves[0] = read32(offset)),
      // A signed number: V8 would allocate one of 2^31 or more for a native function.
      store: (halves) => write32(offset, (halves[0] ?? 0) | 0),
    };
  }
  if (width === 16) {
    return {
      readRaw: () => read16(offset),
      writeRaw: (value) => write16(offset, value),
      load: (halves) => void (halves[0] = read16(offset)),
      store: (halves) => write16(offset, halves[0] ?? 0),
    };
  }
  return {
    readRaw: () => read8(offset),
    writeRaw: (value) => write8(offset, value),
    load: (halves) => void (halves[0] = read8(offset)),
    store: (halves) => write8(offset, halves[0] ?? 0),
  };
}

function wideRegister(region: RegisterRegion, offset: number): RawRegister {
  const { read64, write64 } = region;
  return {
    readRaw: () => read64(offset),
    writeRaw: (value) => write64(offset, value),
    load: (halves) => region.readHalves(offset, halves),
    store: (halves) => region.writeHalves(offset, (halves[0] ?? 0) | 0, (halves[1] ?? 0) | 0),
  };
}
