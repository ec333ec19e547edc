import { defineIoctl } from "../kernel/ioctl.js";
import {
  vfio_device_info,
  vfio_group_status,
  vfio_iommu_type1_dma_map,
  vfio_iommu_type1_dma_unmap,
  vfio_iommu_type1_info,
  vfio_irq_info,
  vfio_irq_set,
  vfio_pci_hot_reset,
  vfio_pci_hot_reset_info,
  vfio_region_info,
} from "./structs.js";

/** `_IO(';', 100 + n)`: VFIO's ioctls carry no size in their number; the structs' `argsz` field does that work. */
const vfio = (n: number): number => (";".charCodeAt(0) << 8) | (100 + n);

/** Container: VFIO's API version, always 0. */
export const VFIO_GET_API_VERSION = defineIoctl("VFIO_GET_API_VERSION", vfio(0), "int");
/** Container: whether an IOMMU type or extension exists; above 0 for yes. */
export const VFIO_CHECK_EXTENSION = defineIoctl("VFIO_CHECK_EXTENSION", vfio(1), "int");
/** Container: sets the IOMMU type; a group must be in it. */
export const VFIO_SET_IOMMU = defineIoctl("VFIO_SET_IOMMU", vfio(2), "int");
/** Group: is it viable, is it in a container. */
export const VFIO_GROUP_GET_STATUS = defineIoctl("VFIO_GROUP_GET_STATUS", vfio(3), vfio_group_status);
/** Group: puts it into the container whose fd is pointed to. */
export const VFIO_GROUP_SET_CONTAINER = defineIoctl("VFIO_GROUP_SET_CONTAINER", vfio(4), "int pointer");
/** Group: takes it out of its container; no device of it may be open. */
export const VFIO_GROUP_UNSET_CONTAINER = defineIoctl("VFIO_GROUP_UNSET_CONTAINER", vfio(5), "int");
/** Group: opens the device with that address. The result is the new fd. */
export const VFIO_GROUP_GET_DEVICE_FD = defineIoctl("VFIO_GROUP_GET_DEVICE_FD", vfio(6), "string");
/** Device: flags, and how many regions and interrupt types there are. */
export const VFIO_DEVICE_GET_INFO = defineIoctl("VFIO_DEVICE_GET_INFO", vfio(7), vfio_device_info);
/** Device: a region's size, abilities and place in the device's file. */
export const VFIO_DEVICE_GET_REGION_INFO = defineIoctl(
  "VFIO_DEVICE_GET_REGION_INFO",
  vfio(8),
  vfio_region_info,
);
/** Device: an interrupt type's abilities and number of vectors. */
export const VFIO_DEVICE_GET_IRQ_INFO = defineIoctl("VFIO_DEVICE_GET_IRQ_INFO", vfio(9), vfio_irq_info);
/** Device: wires, fires, masks or disables interrupts. */
export const VFIO_DEVICE_SET_IRQS = defineIoctl("VFIO_DEVICE_SET_IRQS", vfio(10), vfio_irq_set);
/** Device: resets it. */
export const VFIO_DEVICE_RESET = defineIoctl("VFIO_DEVICE_RESET", vfio(11), "int");
/** Device: which devices a hot reset reaches, with their groups. ENODEV if it cannot be hot reset. */
export const VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = defineIoctl(
  "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO",
  vfio(12),
  vfio_pci_hot_reset_info,
);
/** Device: resets its whole slot or bus; takes the fds of all groups that are there. */
export const VFIO_DEVICE_PCI_HOT_RESET = defineIoctl(
  "VFIO_DEVICE_PCI_HOT_RESET",
  vfio(13),
  vfio_pci_hot_reset,
);
/** Container: page sizes, IOVA ranges, mappings left. */
export const VFIO_IOMMU_GET_INFO = defineIoctl("VFIO_IOMMU_GET_INFO", vfio(12), vfio_iommu_type1_info);
/** Container: lets devices reach memory of this process under an IOVA. */
export const VFIO_IOMMU_MAP_DMA = defineIoctl("VFIO_IOMMU_MAP_DMA", vfio(13), vfio_iommu_type1_dma_map);
/** Container: takes mappings back; `size` becomes how much really was. */
export const VFIO_IOMMU_UNMAP_DMA = defineIoctl("VFIO_IOMMU_UNMAP_DMA", vfio(14), vfio_iommu_type1_dma_unmap);
