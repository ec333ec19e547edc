import { bitsOf, isSet, wide } from "./bits.js";

/** A base address register (PCI Local Bus 3.0, section 6.2.5.1). */
export interface BaseAddress {
  /** 0 to 5 in an ordinary device, 0 or 1 in a bridge. */
  readonly index: number;
  /**
   * `io`: I/O ports. `mem32`, `mem64`: memory with a 32-bit or 64-bit address; a `mem64` takes the next register too.
   * `mem1M`: memory below 1 MiB (obsolete). `reserved`: a memory type that no specification knows. `invalid`: a 64-bit
   * address in the last register, without room for its upper half.
   */
  readonly kind: "io" | "mem32" | "mem64" | "mem1M" | "reserved" | "invalid";
  /** Reads have no side effects. Never for `io`. */
  readonly prefetchable: boolean;
  /** On the bus; 0 if none is assigned. */
  readonly address: bigint;
}

const MEMORY_KINDS = ["mem32", "mem1M", "mem64", "reserved"] as const;

/** Decodes base address registers, without those that read 0 or all ones. */
export function decodeBars(registers: readonly number[]): BaseAddress[] {
  const bars: BaseAddress[] = [];
  for (let index = 0; index < registers.length; index++) {
    const low = registers[index] ?? 0;
    if (low === 0 || low === 0xffffffff) continue;
    const bar = decodeBar(index, low, registers[index + 1]);
    bars.push(bar);
    if (bar.kind === "mem64") index++;
  }
  return bars;
}

function decodeBar(index: number, low: number, upper: number | undefined): BaseAddress {
  if (isSet(low, 0))
    return { index, kind: "io", prefetchable: false, address: BigInt(low - bitsOf(low, 0, 2)) };
  const kind = MEMORY_KINDS[bitsOf(low, 1, 2)] ?? "reserved";
  const address = low - bitsOf(low, 0, 4);
  const prefetchable = isSet(low, 3);
  if (kind !== "mem64") return { index, kind, prefetchable, address: BigInt(address) };
  if (upper === undefined) return { index, kind: "invalid", prefetchable, address: BigInt(address) };
  return { index, kind, prefetchable, address: wide(upper, address) };
}
