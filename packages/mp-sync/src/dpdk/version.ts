/** A DPDK version, as its primary writes it into the runtime directory. */
export interface DpdkVersion {
  /** Two digits: 22. 0 if the primary is older than 19.08, which wrote no version. */
  readonly year: number;
  readonly month: number;
  /** The third part: 11 in 22.11.11. */
  readonly minor: number;
  /** 99 for a release; less for a candidate. */
  readonly release: number;
  /** As people write it: `22.11.11`. */
  readonly text: string;
}

const RELEASE = 99;
/** Versions before 19.08 have the number of memory channels where later ones have their version. */
const MOST_CHANNELS = 0xffff;

/**
 * Decodes RTE_VERSION: year, month, minor and release, a byte each, the year highest.
 * @param value the second 32-bit word of the runtime directory's `config`.
 */
export function decodeDpdkVersion(value: number): DpdkVersion {
  if (value <= MOST_CHANNELS) return { year: 0, month: 0, minor: 0, release: RELEASE, text: "before 19.08" };
  const [year, month, minor, release] = [
    value >>> 24,
    (value >>> 16) & 0xff,
    (value >>> 8) & 0xff,
    value & 0xff,
  ];
  const pad = (number: number): string => String(number).padStart(2, "0");
  const candidate = release === RELEASE ? "" : `-rc${release}`;
  return { year, month, minor, release, text: `${pad(year)}.${pad(month)}.${minor}${candidate}` };
}

export function isRelease({ release }: DpdkVersion): boolean {
  return release === RELEASE;
}
