import { errnoOf } from "../errors/errors.js";
import type { HasFd } from "../files/fd.js";
import type { IovaRange } from "../intervals/range.js";
import { checkArray, decodeArray, walkCapabilities } from "../structs/capability-chain.js";
import {
  VFIO_IOMMU_INFO_CAPS,
  VFIO_IOMMU_INFO_PGSIZES,
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
} from "./constants.js";
import { VFIO_IOMMU_GET_INFO } from "./ioctls.js";
import { queryInfo } from "./query.js";
import {
  vfio_iommu_type1_info,
  vfio_iommu_type1_info_cap_iova_range as header,
  vfio_iommu_type1_info_dma_avail as available,
  vfio_iova_range,
} from "./structs.js";

const WITHOUT_GROUP = "The IOMMU type is set when the first group joins the container: add a group first";

/** The abilities of a container's IOMMU. They change as groups come and go. */
export interface IommuInfo {
  /** A bitmap: bit n set means pages of 2^n bytes. */
  readonly pageSizes: bigint;
  /** In bytes: every mapping's IOVA and size must be a multiple of it. */
  readonly smallestPage: number;
  /** Where DMA may be mapped, in ascending order; `undefined` before Linux 5.4, which does not tell. */
  readonly iovaRanges: readonly IovaRange[] | undefined;
  /** The number of mappings the container still takes; `undefined` before Linux 5.10, which does not tell. */
  readonly mappingsLeft: number | undefined;
}

/**
 * Asks a container for its IOMMU's abilities (`VFIO_IOMMU_GET_INFO`).
 * @throws VfioSystemError if the container has no IOMMU type set (EINVAL).
 */
export function readIommuInfo(container: HasFd): IommuInfo {
  const answer = queryInfo(container, VFIO_IOMMU_GET_INFO, {}, (errno) => ({
    what: "cannot read the container's IOMMU info",
    hint: errno === errnoOf("EINVAL") ? WITHOUT_GROUP : undefined,
  }));
  return decodeIommuInfo(answer);
}

/**
 * Decodes an answer of `VFIO_IOMMU_GET_INFO`.
 * @throws VfioError `ERR_VFIO_BAD_CAPABILITY_CHAIN`; VfioRangeError `ERR_VFIO_STRUCT_BOUNDS` for an answer shorter than
 * the struct.
 */
export function decodeIommuInfo(answer: Uint8Array): IommuInfo {
  const info = vfio_iommu_type1_info.decode(answer);
  const pageSizes = (info.flags & VFIO_IOMMU_INFO_PGSIZES) === 0 ? 4096n : info.iova_pgsizes;
  const chain = (info.flags & VFIO_IOMMU_INFO_CAPS) === 0 ? [] : walkCapabilities(answer, info.cap_offset);
  const ranges = chain.find(({ id }) => id === VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
  const left = chain.find(({ id }) => id === VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
  if (left !== undefined) checkArray(answer, left.offset, 1, available.bytes);
  return {
    pageSizes,
    smallestPage: Number(pageSizes & -pageSizes),
    iovaRanges: ranges && decodeArray(answer, ranges.offset, header, "nr_iovas", vfio_iova_range),
    mappingsLeft: left && available.read(answer, "avail", left.offset),
  };
}
