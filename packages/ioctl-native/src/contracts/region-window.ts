import type { RegisterFunctions } from "../kernel/system-calls.js";
import type { BulkRegisters } from "../memory/bulk-registers.js";

/** Blocks, FIFOs, halves and polling, however registers are reached. */
export type BulkAccess = Pick<BulkRegisters, keyof BulkRegisters>;

/** Where registers are reached, one by one and many at a time. Offsets count from where they begin. */
export interface RegisterAccess {
  /** Single accesses. */
  readonly registers: RegisterFunctions;
  /** Many accesses. */
  readonly bulk: BulkAccess;
}

/**
 * A part of a device's region that answers loads and stores. Of a real device it is a mapping and its native functions;
 * of an emulated one, functions of its model.
 */
export interface RegionWindow extends RegisterAccess {
  /** Where it begins in the region, in bytes. */
  readonly offset: number;
  /** Its length. */
  readonly bytes: number;
  /** Number of its mapping, for `Mapping.fromHandle` in another thread; without it, no other thread reaches it. */
  readonly handle?: number;
  /** True once its memory went away; it stays so. */
  isGone(): boolean;
  /** The registers `bytes` from `offset` of this window on, counted from there: as quick as the window's own. */
  part(offset: number, bytes: number): RegisterAccess;
  /** Ends it; every access is `ERR_VFIO_CLOSED` from then on. Twice does nothing. */
  close(): void;
}
