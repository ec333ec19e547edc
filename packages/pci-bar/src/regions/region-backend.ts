import { BulkRegisters, type HasFd, type Mapping, type RegisterFunctions } from "@vfio/ioctl-native";
import type { SharedFile } from "./shared-file.js";

/** Blocks, halves and polling, however a region is reached. */
export type BulkAccess = Pick<BulkRegisters, keyof BulkRegisters>;

/** One way to reach a region's registers. */
export interface RegionBackend {
  /** Single accesses. */
  readonly registers: RegisterFunctions;
  /** Many accesses. */
  readonly bulk: BulkAccess;
}

/** A part of a region that is mapped. */
export interface MappedWindow {
  /** Where it begins in the region, in bytes. */
  readonly offset: number;
  /** Its length. */
  readonly bytes: number;
  /** Number of its mapping, for `Mapping.fromHandle` of `@vfio/ioctl-native` in another thread. */
  readonly handle: number;
}

/** Where a region lies in its device's file. */
export interface RegionFile {
  /** The device, or its file as threads share it. */
  readonly device: HasFd | SharedFile;
  /** The offset that the kernel gave. */
  readonly offset: number;
}

/** What a region is called and how large it is. */
export interface RegionShape {
  /** For error messages: "BAR0 of 0000:00:10.0". */
  readonly name: string;
  /** Its length. */
  readonly bytes: number;
  /** False for a ROM. */
  readonly writable: boolean;
}

/** A mapping as a backend: nothing stands between the caller and the native functions. */
export function mappedBackend(mapping: Mapping): RegionBackend {
  return { registers: mapping.registers, bulk: new BulkRegisters(mapping) };
}
