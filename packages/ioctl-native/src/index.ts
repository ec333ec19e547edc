/**
 * The Linux kernel as typed calls for VFIO: file descriptors, ioctl, mmap, registers, memory files, eventfds,
 * SEQPACKET sockets with fd passing, and the structs and numbers of `<linux/vfio.h>`. No policy: that is upstairs.
 *
 * @packageDocumentation
 */
export {
  check,
  contextOr,
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
} from "./errors.js";
export {
  argumentError,
  checkFunction,
  checkHasFd,
  checkOptions,
  isAbortSignal,
  shownValue,
} from "./argument-error.js";
export {
  kernel,
  realKernel,
  useKernel,
  type BulkRegisterFunctions,
  type FileStatus,
  type FilesystemInfo,
  type Kernel,
  type LockHolder,
  type MemlockLimit,
  type PeerCredentials,
  type ReceivedDatagram,
  type ReceivedPacket,
  type RegisterFunctions,
  type SocketKind,
} from "./kernel.js";
export { closedError, Fd, fdState, openFile, type FdState, type HasFd, type OpenOptions } from "./fd.js";
export { printAs } from "./printed.js";
export { Holds } from "./holds.js";
export { addSuppressed, runAll, undo } from "./run-all.js";
export { type PositionedFile, readAt, readStrided, writeAt } from "./file-io.js";
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
} from "./ioctl.js";
export { Struct, type Field, type FieldType, type ValueOf, type ValuesOf } from "./struct.js";
export { Mapping, type MapOptions } from "./mapping.js";
export {
  bulkArgumentError,
  BulkRegisters,
  registerOffsetError,
  type RegisterArray,
  type RegisterWidth,
} from "./bulk-registers.js";
export { cgroupLimits, type CgroupLimit, type CgroupLimitFiles } from "./cgroups.js";
export {
  createMemoryFile,
  isAnonymousMemory,
  isOrdinaryMemory,
  pageBytesOf,
  sizeGuaranteeOf,
  type MemoryFailure,
  type MemoryFileOptions,
  type SizeGuarantee,
} from "./memory-file.js";
export { memoryShortage, type MemoryToTake } from "./memory-shortage.js";
export { systemPageBytes } from "./system-page.js";
export { EventFd } from "./eventfd.js";
export { waitForFd, watchFd, type FdWatcher, type WaitOptions } from "./wait.js";
export { checkWaitLimits, limitWait, timeoutError, type WaitLimits } from "./wait-limits.js";
export { DatagramSocket } from "./datagram.js";
export type { HintOfErrno } from "./local-socket.js";
export { lockHolder } from "./file-lock.js";
export { SeqpacketListener, SeqpacketSocket } from "./seqpacket.js";
export { exists, listFolder, readLinkName, readSysfs, writeSysfs } from "./sysfs.js";
export { queryInfo } from "./uapi/query.js";
export { checkArray, walkCapabilities, type InfoCapability } from "./uapi/capability-chain.js";
export { decodeIommuInfo, readIommuInfo, type IommuInfo, type IovaRange } from "./uapi/iommu-info.js";
/** The numbers of `<linux/vfio.h>`. */
export * as vfioConstants from "./uapi/constants.js";
/** The ioctls of `<linux/vfio.h>`. */
export * as vfioIoctls from "./uapi/ioctls.js";
/** The structs of `<linux/vfio.h>`. */
export * as vfioStructs from "./uapi/structs.js";
