import { SharedFile, writeAt, type DeviceCalls, type HasFd, type SharedFileData } from "@vfio/ioctl-native";
import { readInto } from "@vfio/ioctl-native/internal";

/** Access to a region where it is not mapped: each call is one access. */
export interface RegionAccess {
  /** True if 8 bytes are one access, too. */
  readonly wide?: boolean;
  /** Fills `into` from an offset on. */
  read(offset: number, into: Uint8Array): void;
  /** Writes all of `from` from an offset on. */
  write(offset: number, from: Uint8Array): void;
  /** Access for other threads, if possible. Throws VfioSystemError EMFILE. */
  share?(): SharedAccess | undefined;
}

/** Access to a region for other threads, and its end. */
export interface SharedAccess {
  readonly file: SharedRegionFile;
  /** From then on no access begins. Closing twice does nothing. */
  close(): void;
}

/** A region's place in its device's file. */
export interface RegionFile {
  readonly device: HasFd | SharedFile;
  readonly offset: number;
}

/** A {@link RegionFile} as plain data. */
export interface SharedRegionFile extends SharedFileData {
  readonly offset: number;
}

export function fileAccess({ device, offset: start }: RegionFile, name: string): RegionAccess {
  return {
    read: (offset, into) => readInto(device, start + offset, into, name),
    write: (offset, from) => writeAt(device, start + offset, from, name),
    // A shared file is its owner's to close.
    share: () =>
      device instanceof SharedFile
        ? { file: { ...device.data, offset: start }, close: () => undefined }
        : sharedAccess(SharedFile.of(device, name), start),
  };
}

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
