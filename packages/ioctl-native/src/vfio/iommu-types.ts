import { VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU } from "./constants.js";

/** How the container's IOMMU is driven: `type1v2` takes back only whole mappings; `type1` may split them. */
export type IommuType = "type1v2" | "type1";

/** The kernel's number of each IOMMU type, best first. */
export const IOMMU_TYPES: Readonly<Record<IommuType, number>> = {
  type1v2: VFIO_TYPE1v2_IOMMU,
  type1: VFIO_TYPE1_IOMMU,
};
