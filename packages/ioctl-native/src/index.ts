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
} from "./errors/errors.js";
export {
  argumentError,
  checkFunction,
  checkHasFd,
  checkOptions,
  isAbortSignal,
  shownValue,
} from "./errors/argument-error.js";
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
  type RegisterFunctions,
  type SocketKind,
} from "./kernel/kernel.js";
export type { ReceivedDatagram, ReceivedPacket } from "./sockets/received-packet.js";
export {
  closedError,
  Fd,
  fdState,
  openFile,
  type FdState,
  type HasFd,
  type OpenOptions,
} from "./files/fd.js";
export { SharedFile, type SharedFileData } from "./files/shared-file.js";
export { mappedWindow } from "./memory/mapped-window.js";
export { printAs } from "./errors/printed.js";
export { Holds } from "./lifecycle/holds.js";
export { addSuppressed, closings, orUndo, runAll, undo } from "./lifecycle/run-all.js";
export { type PositionedFile, readAt, readInto, readStrided, writeAt } from "./files/file-io.js";
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
export { Mapping } from "./memory/mapping.js";
export type { MapOptions } from "./memory/map-options.js";
export {
  bulkArgumentError,
  BulkRegisters,
  hasBits,
  registerOffsetError,
  type RegisterArray,
  type RegisterWidth,
} from "./memory/bulk-registers.js";
export { cgroupLimits, type CgroupLimit, type CgroupLimitFiles } from "./memory/cgroups.js";
export {
  createMemoryFile,
  isAnonymousMemory,
  isOrdinaryMemory,
  pageBytesOf,
  sizeGuaranteeOf,
  type MemoryFailure,
  type MemoryFileOptions,
  type SizeGuarantee,
} from "./memory/memory-file.js";
export { memoryShortage, type MemoryToTake } from "./memory/memory-shortage.js";
export * from "./intervals/index.js";
export { systemPageBytes } from "./memory/system-page.js";
export { EventFd } from "./events/eventfd.js";
export { Deadline } from "./events/deadline.js";
export { readableOrOver, waitForFd, watchFd, type FdWatcher, type WaitOptions } from "./events/wait.js";
export { checkWaitLimits, limitWait, timeoutError, type WaitLimits } from "./events/wait-limits.js";
export { DatagramSocket } from "./sockets/datagram.js";
export type { HintOfErrno } from "./sockets/local-socket.js";
export { lockHolder } from "./files/file-lock.js";
export { SeqpacketListener, SeqpacketSocket } from "./sockets/seqpacket.js";
export { exists, listFolder, readLinkName, readSysfs, writeSysfs } from "./machine/sysfs.js";
export { normalizeBdf } from "./machine/bdf.js";
export { fileOf, filesOpenIn, holdersBy, holdersOf, processName, type Holders } from "./machine/holders.js";
export {
  checkGroupNumber,
  describePciDevice,
  devicesOfGroup,
  driverOf,
  groupExistsInSysfs,
  iommuGroupExists,
  iommuGroupOf,
  isVfioDriver,
  listPciDevices,
  PCI_DEVICES,
  type PciDeviceInfo,
} from "./machine/topology.js";
export { groupNodes, groupOfLink, isContainerLink } from "./machine/vfio-nodes.js";
export { queryInfo } from "./vfio/query.js";
export { checkArray, walkCapabilities, type InfoCapability } from "./structs/capability-chain.js";
export * from "./contracts/index.js";
export * from "./vfio/index.js";
/** The numbers of `<linux/vfio.h>`. */
export * as vfioConstants from "./vfio/constants.js";
/** The ioctls of `<linux/vfio.h>`. */
export * as vfioIoctls from "./vfio/ioctls.js";
/** The structs of `<linux/vfio.h>`. */
export * as vfioStructs from "./vfio/structs.js";
