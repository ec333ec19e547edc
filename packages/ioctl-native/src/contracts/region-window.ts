import type { RegisterFunctions } from "../kernel/system-calls.js";
import type { BulkRegisters } from "../memory/bulk-registers.js";
import type { LinearPlace } from "../memory/linear-memory.js";

/** Blocks, FIFOs, halves and polling. */
export type BulkAccess = Pick<BulkRegisters, keyof BulkRegisters>;

/** Access to registers, one by one and many at a time. Offsets count from the first. */
export interface RegisterAccess {
  readonly registers: RegisterFunctions;
  readonly bulk: BulkAccess;
}

/**
 * A part of a device's region that answers loads and stores: for a real device a mapping and its native functions, for
 * an emulated one its functions.
 */
export interface RegionWindow extends RegisterAccess {
  /** In the region, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  /**
   * The mapping's number, for `Mapping.fromHandle` in another thread; without it, no other thread reaches the window.
   */
  readonly handle?: number;
  /** Where it begins in the `LinearMemory` it was mapped `within`. */
  readonly place?: LinearPlace;
  /** True once the memory has gone away; it stays so. */
  isGone(): boolean;
  /** The registers `bytes` from `offset` of this window on, counted from there: as fast as the window's own. */
  part(offset: number, bytes: number): RegisterAccess;
  /** From then on every access is `ERR_VFIO_CLOSED`. Closing twice does nothing. */
  close(): void;
}
