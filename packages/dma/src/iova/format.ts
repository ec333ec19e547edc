/** An address as people write it. */
export function formatAddress(address: bigint): string {
  return `0x${address.toString(16)}`;
}

/** A range of addresses, its last one included: `[0x1000, 0x1fff]`. */
export function formatRange(start: bigint, bytes: number): string {
  return `[${formatAddress(start)}, ${formatAddress(start + BigInt(bytes) - 1n)}]`;
}
