/** One-bit fields of a register, by name. */
export type BitFlags<Name extends string> = Readonly<Record<Name, boolean>>;

/** The bit of each one-bit field, and lspci's word for it. */
export type FlagTable<Name extends string> = Readonly<Record<Name, readonly [bit: number, word: string]>>;

/** Infers the names, for `keyof typeof TABLE`. */
export function flagTable<Name extends string>(table: FlagTable<Name>): FlagTable<Name> {
  return table;
}

/** `width` bits from bit `lowest` on, as a number that is not negative. */
export function bitsOf(value: number, lowest: number, width: number): number {
  return Math.floor(value / 2 ** lowest) % 2 ** width;
}

export function isSet(value: number, bit: number): boolean {
  return bitsOf(value, bit, 1) === 1;
}

export function wide(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

export function decodeFlags<Name extends string>(table: FlagTable<Name>, value: number): BitFlags<Name> {
  const entries = Object.entries<FlagTable<Name>[Name]>(table).map(([name, [bit]]) => [
    name,
    isSet(value, bit),
  ]);
  return Object.fromEntries(entries) as BitFlags<Name>;
}

/** In lspci's form: `Mem+ BusMaster-`. */
export function flagText<Name extends string>(
  table: FlagTable<Name>,
  flags: BitFlags<Name>,
  names = Object.keys(table) as Name[],
): string {
  return names.map((name) => `${table[name][1]}${plusMinus(flags[name])}`).join(" ");
}

export function plusMinus(on: boolean): string {
  return on ? "+" : "-";
}

export function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
