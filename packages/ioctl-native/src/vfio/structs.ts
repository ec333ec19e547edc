import { Struct } from "../structs/struct.js";

// The structs of `<linux/vfio.h>` that this library uses, each with the header's own names and offsets.

const ARGSZ = {
  /**
   * The size in bytes, with what follows the struct: the kernel reads and writes no further. Info ioctls answer with
   * the size they need.
   */
  argsz: [0, "u32"],
} as const;

/** Answer of `VFIO_GROUP_GET_STATUS`. */
export const vfio_group_status = new Struct("vfio_group_status", 8, {
  ...ARGSZ,
  /** `VFIO_GROUP_FLAGS_…`. */
  flags: [4, "u32"],
});

/** Answer of `VFIO_DEVICE_GET_INFO`. */
export const vfio_device_info = new Struct("vfio_device_info", 20, {
  ...ARGSZ,
  /** `VFIO_DEVICE_FLAGS_…`. */
  flags: [4, "u32"],
  /** Highest region index plus 1. */
  num_regions: [8, "u32"],
  /** Highest interrupt index plus 1. */
  num_irqs: [12, "u32"],
  cap_offset: [16, "u32"],
});

/** Argument and answer of `VFIO_DEVICE_GET_REGION_INFO`. */
export const vfio_region_info = new Struct("vfio_region_info", 32, {
  ...ARGSZ,
  flags: [4, "u32"],
  /** `VFIO_PCI_…_REGION_INDEX`. */
  index: [8, "u32"],
  /** From the start of the answer; 0 for none. */
  cap_offset: [12, "u32"],
  /** In bytes; 0 if the device does not have the region. */
  size: [16, "u64"],
  offset: [24, "u64"],
});

/** The start of every capability in an answer. */
export const vfio_info_cap_header = new Struct("vfio_info_cap_header", 8, {
  id: [0, "u16"],
  version: [2, "u16"],
  /** The next capability, from the start of the answer; 0 for the last. */
  next: [4, "u32"],
});

/** A region's mappable areas: this header, then {@link vfio_region_sparse_mmap_area} `nr_areas` times. */
export const vfio_region_info_cap_sparse_mmap = new Struct("vfio_region_info_cap_sparse_mmap", 16, {
  nr_areas: [8, "u32"],
});

/** One mappable area of a region. */
export const vfio_region_sparse_mmap_area = new Struct("vfio_region_sparse_mmap_area", 16, {
  offset: [0, "u64"],
  size: [8, "u64"],
});

/** Argument and answer of `VFIO_DEVICE_GET_IRQ_INFO`. */
export const vfio_irq_info = new Struct("vfio_irq_info", 16, {
  ...ARGSZ,
  /** `VFIO_IRQ_INFO_…`. */
  flags: [4, "u32"],
  /** `VFIO_PCI_…_IRQ_INDEX`. */
  index: [8, "u32"],
  /** The number of vectors; 0 if the device does not have the type. */
  count: [12, "u32"],
});

/** Argument of `VFIO_DEVICE_SET_IRQS`; the data that `flags` announce follow. */
export const vfio_irq_set = new Struct("vfio_irq_set", 20, {
  ...ARGSZ,
  /** One `VFIO_IRQ_SET_DATA_…` and one `VFIO_IRQ_SET_ACTION_…`. */
  flags: [4, "u32"],
  /** `VFIO_PCI_…_IRQ_INDEX`. */
  index: [8, "u32"],
  start: [12, "u32"],
  count: [16, "u32"],
});

/**
 * Answer of `VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`: this header, then {@link vfio_pci_dependent_device} `count` times.
 * With too little room the result is ENOSPC, and `count` is still right.
 */
export const vfio_pci_hot_reset_info = new Struct("vfio_pci_hot_reset_info", 12, {
  ...ARGSZ,
  /** 0; with iommufd `VFIO_PCI_HOT_RESET_FLAG_…`. */
  flags: [4, "u32"],
  count: [8, "u32"],
});

/** A device that a hot reset reaches. */
export const vfio_pci_dependent_device = new Struct("vfio_pci_dependent_device", 8, {
  group_id: [0, "u32"],
  segment: [4, "u16"],
  bus: [6, "u8"],
  /** The PCI slot in bits 7 to 3, the function in bits 2 to 0. */
  devfn: [7, "u8"],
});

/** Argument of `VFIO_DEVICE_PCI_HOT_RESET`; `count` group fds (s32) follow. */
export const vfio_pci_hot_reset = new Struct("vfio_pci_hot_reset", 12, {
  ...ARGSZ,
  /** Must be 0. */
  flags: [4, "u32"],
  count: [8, "u32"],
});

/** Answer of `VFIO_IOMMU_GET_INFO`. */
export const vfio_iommu_type1_info = new Struct("vfio_iommu_type1_info", 24, {
  ...ARGSZ,
  /** `VFIO_IOMMU_INFO_…`. */
  flags: [4, "u32"],
  /** Bit n set: pages of 2^n bytes. */
  iova_pgsizes: [8, "u64"],
  cap_offset: [16, "u32"],
});

/** The usable IOVA ranges: this header, then {@link vfio_iova_range} `nr_iovas` times. */
export const vfio_iommu_type1_info_cap_iova_range = new Struct("vfio_iommu_type1_info_cap_iova_range", 16, {
  nr_iovas: [8, "u32"],
});

/** A usable range. */
export const vfio_iova_range = new Struct("vfio_iova_range", 16, {
  start: [0, "u64"],
  /** The last address, itself in the range. */
  end: [8, "u64"],
});

/** The number of mappings the container still takes. */
export const vfio_iommu_type1_info_dma_avail = new Struct("vfio_iommu_type1_info_dma_avail", 12, {
  avail: [8, "u32"],
});

/** Argument of `VFIO_IOMMU_MAP_DMA`. */
export const vfio_iommu_type1_dma_map = new Struct("vfio_iommu_type1_dma_map", 32, {
  ...ARGSZ,
  /** `VFIO_DMA_MAP_FLAG_…`. */
  flags: [4, "u32"],
  vaddr: [8, "u64"],
  iova: [16, "u64"],
  /** In bytes. */
  size: [24, "u64"],
});

/** Argument and answer of `VFIO_IOMMU_UNMAP_DMA`. */
export const vfio_iommu_type1_dma_unmap = new Struct("vfio_iommu_type1_dma_unmap", 24, {
  ...ARGSZ,
  /** `VFIO_DMA_UNMAP_FLAG_…`; 0 for a plain unmap. */
  flags: [4, "u32"],
  iova: [8, "u64"],
  /** In bytes; the answer is the number of bytes unmapped. */
  size: [16, "u64"],
});
