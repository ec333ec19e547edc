/**
 * VFIO as typed calls: one function for each ioctl, and the structs, numbers and ioctls of `<linux/vfio.h>`.
 *
 * @packageDocumentation
 */
export type { ContextOfErrno } from "./ask.js";
export * from "./container.js";
export * from "./device.js";
export * from "./device-calls.js";
export * from "./group.js";
export * from "./hot-reset.js";
export * from "./iommu-info.js";
export * from "./irqs.js";
export { decodeRegionInfo, getRegionInfo, type MappableArea, type RegionInfo } from "./region.js";
export * from "./type1-space.js";
export { queryInfo } from "./query.js";
export { walkCapabilities, type InfoCapability } from "../structs/capability-chain.js";
/** The numbers of `<linux/vfio.h>`. */
export * as vfioConstants from "./constants.js";
/** The ioctls of `<linux/vfio.h>`. */
export * as vfioIoctls from "./ioctls.js";
/** The structs of `<linux/vfio.h>`. */
export * as vfioStructs from "./structs.js";
