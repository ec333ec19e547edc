/** Numbers of `<linux/vfio.h>`, under the header's own names; a test compiles the header and compares every one. */

/** The answer to `VFIO_GET_API_VERSION`: the only version so far. */
export const VFIO_API_VERSION = 0;

/** IOMMU type: x86-like page tables; an unmap may cut a mapping in pieces. */
export const VFIO_TYPE1_IOMMU = 1;
/** IOMMU type: as type1, but unmaps only whole mappings. */
export const VFIO_TYPE1v2_IOMMU = 3;
/** Extension: DMA is cache-coherent, whatever the device says. */
export const VFIO_DMA_CC_IOMMU = 4;
/** IOMMU type: none. Devices reach all memory. */
export const VFIO_NOIOMMU_IOMMU = 8;
/** Extension: one unmap can unmap everything. */
export const VFIO_UNMAP_ALL = 9;

/** Group status: every device in the group is bound to VFIO, to a harmless driver or to none. */
export const VFIO_GROUP_FLAGS_VIABLE = 1 << 0;
/** Group status: the group is in a container. */
export const VFIO_GROUP_FLAGS_CONTAINER_SET = 1 << 1;

/** Device info: the device can be reset with `VFIO_DEVICE_RESET`. */
export const VFIO_DEVICE_FLAGS_RESET = 1 << 0;
/** Device info: a PCI device. */
export const VFIO_DEVICE_FLAGS_PCI = 1 << 1;

/** Region info: readable. */
export const VFIO_REGION_INFO_FLAG_READ = 1 << 0;
/** Region info: writable. */
export const VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
/** Region info: mappable, as a whole or in its sparse areas. */
export const VFIO_REGION_INFO_FLAG_MMAP = 1 << 2;
/** Region info: a capability chain follows the struct. */
export const VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;
/** Region capability: only the listed areas can be mapped. */
export const VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
/** Region capability: the MSI-X table may be mapped with the rest. */
export const VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

/** Region index of BAR0; those of BAR1 to BAR4 follow. */
export const VFIO_PCI_BAR0_REGION_INDEX = 0;
/** Region index of BAR5, the last. */
export const VFIO_PCI_BAR5_REGION_INDEX = 5;
/** Region index of the expansion ROM. */
export const VFIO_PCI_ROM_REGION_INDEX = 6;
/** Region index of the configuration space. */
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
/** Region index of the legacy VGA ranges. */
export const VFIO_PCI_VGA_REGION_INDEX = 8;

/** Interrupt index of INTx, the legacy line. */
export const VFIO_PCI_INTX_IRQ_INDEX = 0;
/** Interrupt index of MSI. */
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
/** Interrupt index of MSI-X. */
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
/** Interrupt index of PCI Express errors (AER). */
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
/** Interrupt index of the kernel's request to close the device. */
export const VFIO_PCI_REQ_IRQ_INDEX = 4;

/** Interrupt info: an eventfd can signal it. */
export const VFIO_IRQ_INFO_EVENTFD = 1 << 0;
/** Interrupt info: it can be masked and unmasked. */
export const VFIO_IRQ_INFO_MASKABLE = 1 << 1;
/** Interrupt info: the kernel masks it each time it comes. */
export const VFIO_IRQ_INFO_AUTOMASKED = 1 << 2;
/** Interrupt info: to change the number of vectors, all must be disabled first. */
export const VFIO_IRQ_INFO_NORESIZE = 1 << 3;

/** Set interrupts: no data follows; with a count of 0 and TRIGGER it disables. */
export const VFIO_IRQ_SET_DATA_NONE = 1 << 0;
/** Set interrupts: a byte per vector follows, 0 or 1. */
export const VFIO_IRQ_SET_DATA_BOOL = 1 << 1;
/** Set interrupts: an eventfd (s32) per vector follows; -1 for none. */
export const VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
/** Set interrupts: mask. */
export const VFIO_IRQ_SET_ACTION_MASK = 1 << 3;
/** Set interrupts: unmask. */
export const VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4;
/** Set interrupts: set where to signal, or fire now. */
export const VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;

/** IOMMU info: the bitmap of page sizes is valid. */
export const VFIO_IOMMU_INFO_PGSIZES = 1 << 0;
/** IOMMU info: a capability chain follows the struct. */
export const VFIO_IOMMU_INFO_CAPS = 1 << 1;
/** IOMMU capability: the ranges in which DMA can be mapped. */
export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;
/** IOMMU capability: how many more mappings are possible. */
export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3;

/** Map: devices may read the memory. */
export const VFIO_DMA_MAP_FLAG_READ = 1 << 0;
/** Map: devices may write the memory. */
export const VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;
