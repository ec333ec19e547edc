import { defineIoctl, type Ioctl, type IoctlArgument } from "../kernel/ioctl.js";
import * as structs from "./structs.js";

/** `_IO(';', 100 + n)`: VFIO's ioctls carry no size in their number; the structs' `argsz` field replaces it. */
const vfio = <A extends IoctlArgument>(name: string, n: number, argument: A): Ioctl<A> =>
  defineIoctl(name, (";".charCodeAt(0) << 8) | (100 + n), argument);

/** Container: VFIO's API version, always 0. */
export const VFIO_GET_API_VERSION = vfio("VFIO_GET_API_VERSION", 0, "int");
/** Container: whether an IOMMU type or extension exists; above 0 for yes. */
export const VFIO_CHECK_EXTENSION = vfio("VFIO_CHECK_EXTENSION", 1, "int");
/** Container: sets the IOMMU type; a group must be in it. */
export const VFIO_SET_IOMMU = vfio("VFIO_SET_IOMMU", 2, "int");
/** Group: whether it is viable, and in a container. */
export const VFIO_GROUP_GET_STATUS = vfio("VFIO_GROUP_GET_STATUS", 3, structs.vfio_group_status);
/** Group: puts it into the container whose fd is pointed to. */
export const VFIO_GROUP_SET_CONTAINER = vfio("VFIO_GROUP_SET_CONTAINER", 4, "int pointer");
/** Group: takes it out of its container; none of its devices may be open. */
export const VFIO_GROUP_UNSET_CONTAINER = vfio("VFIO_GROUP_UNSET_CONTAINER", 5, "int");
/** Group: opens the device with that address. The result is the new fd. */
export const VFIO_GROUP_GET_DEVICE_FD = vfio("VFIO_GROUP_GET_DEVICE_FD", 6, "string");
/** Device: flags, and the number of regions and interrupt types. */
export const VFIO_DEVICE_GET_INFO = vfio("VFIO_DEVICE_GET_INFO", 7, structs.vfio_device_info);
/** Device: a region's size, abilities and place in the device's file. */
export const VFIO_DEVICE_GET_REGION_INFO = vfio("VFIO_DEVICE_GET_REGION_INFO", 8, structs.vfio_region_info);
/** Device: an interrupt type's abilities and number of vectors. */
export const VFIO_DEVICE_GET_IRQ_INFO = vfio("VFIO_DEVICE_GET_IRQ_INFO", 9, structs.vfio_irq_info);
/** Device: wires, fires, masks or disables interrupts. */
export const VFIO_DEVICE_SET_IRQS = vfio("VFIO_DEVICE_SET_IRQS", 10, structs.vfio_irq_set);
/** Device: resets it. */
export const VFIO_DEVICE_RESET = vfio("VFIO_DEVICE_RESET", 11, "int");
/** Device: the devices that a hot reset reaches, with their groups. ENODEV if it cannot be hot reset. */
export const VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = vfio(
  "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO",
  12,
  structs.vfio_pci_hot_reset_info,
);
/** Device: resets its whole slot or bus; takes the fds of all groups there. */
export const VFIO_DEVICE_PCI_HOT_RESET = vfio("VFIO_DEVICE_PCI_HOT_RESET", 13, structs.vfio_pci_hot_reset);
/** Container: page sizes, IOVA ranges, mappings left. */
export const VFIO_IOMMU_GET_INFO = vfio("VFIO_IOMMU_GET_INFO", 12, structs.vfio_iommu_type1_info);
/** Container: maps memory of this process for devices, at an IOVA. */
export const VFIO_IOMMU_MAP_DMA = vfio("VFIO_IOMMU_MAP_DMA", 13, structs.vfio_iommu_type1_dma_map);
/** Container: unmaps; `size` becomes the number of bytes that were mapped. */
export const VFIO_IOMMU_UNMAP_DMA = vfio("VFIO_IOMMU_UNMAP_DMA", 14, structs.vfio_iommu_type1_dma_unmap);
