import { SharedFile, writeAt, type DeviceCalls, type HasFd, type SharedFileData } from "@vfio/ioctl-native";
import { readInto } from "@vfio/ioctl-native/internal";

/** How a region's bytes are reached where they are not mapped: each call is one access. */
export interface RegionAccess {
  /** True if 8 bytes are one access, too. */
  readonly wide?: boolean;
  /** Fills the bytes. */
  read(offset: number, into: Uint8Array): void;
  /** Writes the bytes. */
  write(offset: number, from: Uint8Array): void;
  /** A way for other threads, if there is one. Throws VfioSystemError EMFILE. */
  share?(): SharedAccess | undefined;
}

/** A way to a region for other threads, and its end. */
export interface SharedAccess {
  /** Where another thread finds the region. */
  readonly file: SharedRegionFile;
  /** No access begins there any more. Twice does nothing. */
  close(): void;
}

/** Where a region lies in its device's file. */
export interface RegionFile {
  /** The device, or its file as threads share it. */
  readonly device: HasFd | SharedFile;
  /** The offset that the kernel gave. */
  readonly offset: number;
}

/** Where a region lies in its device's file, as plain data. */
export interface SharedRegionFile extends SharedFileData {
  /** The offset that the kernel gave. */
  readonly offset: number;
}

/** By `pread` and `pwrite` on a file. */
export function fileAccess({ device, offset: start }: RegionFile, name: string): RegionAccess {
  return {
    read: (offset, into) => readInto(device, start + offset, into, name),
    write: (offset, from) => writeAt(device, start + offset, from, name),
    // One that is shared already is its owner's to close.
    share: () =>
      device instanceof SharedFile
        ? { file: { ...device.data, offset: start }, close: () => undefined }
        : sharedAccess(SharedFile.of(device, name), start),
  };
}

/** By a device's calls. */
export function deviceAccess(
  calls: DeviceCalls,
  { index, fileOffset }: { index: number; fileOffset: number },
  name: string,
): RegionAccess {
  return {
    read: (offset, into) => calls.readRegion(index, offset, into),
    write: (offset, from) => calls.writeRegion(index, offset, from),
    share: () => {
      const file = calls.shareForThreads?.(name);
      return file && sharedAccess(file, fileOffset);
    },
  };
}

function sharedAccess(file: SharedFile, offset: number): SharedAccess {
  return { file: { ...file.data, offset }, close: () => file.close() };
}
