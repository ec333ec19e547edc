import { defineIoctl } from "../ioctl.js";
import {
  vfio_device_info,
  vfio_group_status,
  vfio_iommu_type1_dma_map,
  vfio_iommu_type1_dma_unmap,
  vfio_iommu_type1_info,
  vfio_irq_info,
  vfio_irq_set,
  vfio_region_info,
} from "./structs.js";

/** `_IO(';', 100 + n)`: VFIO's ioctls carry no size in their number; the structs' `argsz` field does that work. */
const vfio = (n: number): number => (";".charCodeAt(0) << 8) | (100 + n);

export const VFIO_GET_API_VERSION = defineIoctl("VFIO_GET_API_VERSION", vfio(0), "int");
export const VFIO_CHECK_EXTENSION = defineIoctl("VFIO_CHECK_EXTENSION", vfio(1), "int");
export const VFIO_SET_IOMMU = defineIoctl("VFIO_SET_IOMMU", vfio(2), "int");
export const VFIO_GROUP_GET_STATUS = defineIoctl("VFIO_GROUP_GET_STATUS", vfio(3), vfio_group_status);
export const VFIO_GROUP_SET_CONTAINER = defineIoctl("VFIO_GROUP_SET_CONTAINER", vfio(4), "int pointer");
export const VFIO_GROUP_UNSET_CONTAINER = defineIoctl("VFIO_GROUP_UNSET_CONTAINER", vfio(5), "int");
export const VFIO_GROUP_GET_DEVICE_FD = defineIoctl("VFIO_GROUP_GET_DEVICE_FD", vfio(6), "string");
export const VFIO_DEVICE_GET_INFO = defineIoctl("VFIO_DEVICE_GET_INFO", vfio(7), vfio_device_info);
export const VFIO_DEVICE_GET_REGION_INFO = defineIoctl(
  "VFIO_DEVICE_GET_REGION_INFO",
  vfio(8),
  vfio_region_info,
);
export const VFIO_DEVICE_GET_IRQ_INFO = defineIoctl("VFIO_DEVICE_GET_IRQ_INFO", vfio(9), vfio_irq_info);
export const VFIO_DEVICE_SET_IRQS = defineIoctl("VFIO_DEVICE_SET_IRQS", vfio(10), vfio_irq_set);
export const VFIO_DEVICE_RESET = defineIoctl("VFIO_DEVICE_RESET", vfio(11), "int");
export const VFIO_IOMMU_GET_INFO = defineIoctl("VFIO_IOMMU_GET_INFO", vfio(12), vfio_iommu_type1_info);
export const VFIO_IOMMU_MAP_DMA = defineIoctl("VFIO_IOMMU_MAP_DMA", vfio(13), vfio_iommu_type1_dma_map);
export const VFIO_IOMMU_UNMAP_DMA = defineIoctl("VFIO_IOMMU_UNMAP_DMA", vfio(14), vfio_iommu_type1_dma_unmap);
