/**
 * The Linux kernel as typed calls: file descriptors, ioctl, mmap, registers, memory files, eventfds, SEQPACKET sockets
 * with fd passing. No policy: that is for the packages above. VFIO's own calls are in `@vfio/ioctl-native/vfio`.
 *
 * @packageDocumentation
 */
export {
  check,
  errnoOf,
  hasErrno,
  isError,
  isVfioError,
  messageOf,
  VfioAggregateError,
  VfioError,
  VfioRangeError,
  VfioSystemError,
  type ErrnoName,
  type ErrorOptionsWithHint,
  type Hint,
  type SystemCallContext,
} from "./errors/errors.js";
export { kernel, realKernel, useKernel } from "./kernel/kernel.js";
export type * from "./kernel/system-calls.js";
export type { ReceivedDatagram, ReceivedPacket } from "./sockets/received-packet.js";
export { Fd, openFile, type HasFd, type OpenOptions } from "./files/fd.js";
export { SharedFile, type SharedFileData } from "./files/shared-file.js";
export { type PositionedFile, readAt, readStrided, writeAt } from "./files/file-io.js";
export {
  defineIoctl,
  ioctl,
  ioctlAsync,
  ioctlEach,
  tryIoctl,
  unsafeIoctl,
  type Ioctl,
  type IoctlArgument,
  type IoctlContext,
  type ValueOfArgument,
} from "./kernel/ioctl.js";
export { Struct, type Field, type FieldType, type ValueOf, type ValuesOf } from "./structs/struct.js";
export { LinearMemory, type LinearMemoryOptions, type LinearPlace } from "./memory/linear-memory.js";
export type { SharedWebAssemblyMemory } from "./memory/web-assembly.js";
export { Mapping } from "./memory/mapping.js";
export type { MapOptions } from "./memory/map-options.js";
export { BulkRegisters, type RegisterArray, type RegisterWidth } from "./memory/bulk-registers.js";
export {
  createMemoryFile,
  pageBytesOf,
  type MemoryFailure,
  type MemoryFileOptions,
} from "./memory/memory-file.js";
export { type Extent, type IovaRange } from "./intervals/index.js";
export { systemPageBytes } from "./memory/system-page.js";
export { EventFd } from "./events/eventfd.js";
export { waitForFd, watchFd, type FdWatcher, type WaitOptions } from "./events/wait.js";
export { type WaitLimits } from "./events/wait-limits.js";
export { DatagramSocket } from "./sockets/datagram.js";
export type { HintOfErrno } from "./sockets/local-socket.js";
export { SeqpacketListener, SeqpacketSocket } from "./sockets/seqpacket.js";
export { normalizeBdf } from "./machine/bdf.js";
export {
  devicesOfGroup,
  iommuGroupExists,
  iommuGroupOf,
  listPciDevices,
  type PciDeviceInfo,
} from "./machine/topology.js";
export * from "./contracts/index.js";
// The former home of these names, deprecated.
export {
  decodeIommuInfo,
  queryInfo,
  readIommuInfo,
  vfioConstants,
  vfioIoctls,
  vfioStructs,
  walkCapabilities,
  type InfoCapability,
  type IommuInfo,
} from "./vfio/index.js";
