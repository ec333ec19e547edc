/** In GT/s, by code (PCI Express Base 6.0, section 7.5.3.6). */
const SPEEDS = [undefined, 2.5, 5, 8, 16, 32, 64];

/** In GT/s; `undefined` for a code that no specification knows. */
export function speedOf(code: number): number | undefined {
  return SPEEDS[code];
}

export function speedText(speed: number | undefined, otherwise: string): string {
  return speed === undefined ? otherwise : `${speed}GT/s`;
}

/** The latency that a code stands for, L0s from 64 ns and L1 from 1 µs, as a limit; 7 means no limit. */
export function latencyText(code: number, unit: "L0s" | "L1"): string {
  const limits = {
    L0s: ["<64ns", "<128ns", "<256ns", "<512ns", "<1us", "<2us", "<4us"],
    L1: ["<1us", "<2us", "<4us", "<8us", "<16us", "<32us", "<64us"],
  };
  return limits[unit][code] ?? "unlimited";
}

/** A slot's power: a value and its number of decimal places (PCI Express Base 3.0, section 7.8.9). */
export function slotPower(value: number, scale: number): number {
  if (scale > 0 || value < 0xf0) return value / 10 ** scale;
  return value === 0xff ? Infinity : 250 + 25 * (value - 0xf0);
}

export function powerText(watts: number): string {
  return watts === Infinity ? ">600W" : `${Number(watts.toPrecision(6))}W`;
}
