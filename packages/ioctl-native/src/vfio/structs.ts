import { Struct } from "../structs/struct.js";

// The structs of `<linux/vfio.h>` that this library uses, each with the header's own names and offsets.

/** How most of them begin. */
const ARGSZ = {
  /**
   * The size in bytes, of what follows the struct too: the kernel reads and writes no further. Info ioctls answer with
   * the size that they need.
   */
  argsz: [0, "u32"],
} as const;

/** What `VFIO_GROUP_GET_STATUS` answers. */
export const vfio_group_status = new Struct("vfio_group_status", 8, {
  ...ARGSZ,
  /** `VFIO_GROUP_FLAGS_…`. */
  flags: [4, "u32"],
});

/** What `VFIO_DEVICE_GET_INFO` answers. */
export const vfio_device_info = new Struct("vfio_device_info", 20, {
  ...ARGSZ,
  /** `VFIO_DEVICE_FLAGS_…`. */
  flags: [4, "u32"],
  /** Highest region index plus 1. */
  num_regions: [8, "u32"],
  /** Highest interrupt index plus 1. */
  num_irqs: [12, "u32"],
  /** Where the first capability lies, from the start of the answer. */
  cap_offset: [16, "u32"],
});

/** What `VFIO_DEVICE_GET_REGION_INFO` takes and answers. */
export const vfio_region_info = new Struct("vfio_region_info", 32, {
  ...ARGSZ,
  /** `VFIO_REGION_INFO_FLAG_…`. */
  flags: [4, "u32"],
  /** Which region: `VFIO_PCI_…_REGION_INDEX`. */
  index: [8, "u32"],
  /** Where the first capability lies, from the start of the answer; 0 for none. */
  cap_offset: [12, "u32"],
  /** Length in bytes; 0 if the device does not have it. */
  size: [16, "u64"],
  /** Where it lies in the device's file. */
  offset: [24, "u64"],
});

/** What every capability in an answer begins with. */
export const vfio_info_cap_header = new Struct("vfio_info_cap_header", 8, {
  /** Which capability. */
  id: [0, "u16"],
  /** Of which layout. */
  version: [2, "u16"],
  /** Where the next one lies, from the start of the answer; 0 for the last. */
  next: [4, "u32"],
});

/** The region's mappable areas: this header, then {@link vfio_region_sparse_mmap_area} `nr_areas` times. */
export const vfio_region_info_cap_sparse_mmap = new Struct("vfio_region_info_cap_sparse_mmap", 16, {
  /** How many areas follow. */
  nr_areas: [8, "u32"],
});

/** One mappable area of a region. */
export const vfio_region_sparse_mmap_area = new Struct("vfio_region_sparse_mmap_area", 16, {
  /** Where it starts in the region. */
  offset: [0, "u64"],
  /** Length in bytes. */
  size: [8, "u64"],
});

/** What `VFIO_DEVICE_GET_IRQ_INFO` takes and answers. */
export const vfio_irq_info = new Struct("vfio_irq_info", 16, {
  ...ARGSZ,
  /** `VFIO_IRQ_INFO_…`. */
  flags: [4, "u32"],
  /** Which interrupt type: `VFIO_PCI_…_IRQ_INDEX`. */
  index: [8, "u32"],
  /** How many vectors it has; 0 if the device does not have it. */
  count: [12, "u32"],
});

/** What `VFIO_DEVICE_SET_IRQS` takes; the data that `flags` announce follow. */
export const vfio_irq_set = new Struct("vfio_irq_set", 20, {
  ...ARGSZ,
  /** One `VFIO_IRQ_SET_DATA_…` and one `VFIO_IRQ_SET_ACTION_…`. */
  flags: [4, "u32"],
  /** Which interrupt type: `VFIO_PCI_…_IRQ_INDEX`. */
  index: [8, "u32"],
  /** The first vector. */
  start: [12, "u32"],
  /** How many vectors. */
  count: [16, "u32"],
});

/**
 * What `VFIO_DEVICE_GET_PCI_HOT_RESET_INFO` answers: this header, then {@link vfio_pci_dependent_device} `count`
 * times. With too little room for them the answer is ENOSPC, and `count` is right all the same.
 */
export const vfio_pci_hot_reset_info = new Struct("vfio_pci_hot_reset_info", 12, {
  ...ARGSZ,
  /** 0; with iommufd `VFIO_PCI_HOT_RESET_FLAG_…`. */
  flags: [4, "u32"],
  /** How many devices the reset reaches. */
  count: [8, "u32"],
});

/** One device that a hot reset reaches. */
export const vfio_pci_dependent_device = new Struct("vfio_pci_dependent_device", 8, {
  /** Its IOMMU group. */
  group_id: [0, "u32"],
  /** Its PCI domain. */
  segment: [4, "u16"],
  /** Its PCI bus. */
  bus: [6, "u8"],
  /** Its PCI slot in bits 7 to 3, its function in bits 2 to 0. */
  devfn: [7, "u8"],
});

/** What `VFIO_DEVICE_PCI_HOT_RESET` takes; `count` group fds (s32) follow. */
export const vfio_pci_hot_reset = new Struct("vfio_pci_hot_reset", 12, {
  ...ARGSZ,
  /** 0. */
  flags: [4, "u32"],
  /** How many group fds follow. */
  count: [8, "u32"],
});

/** What `VFIO_IOMMU_GET_INFO` answers. */
export const vfio_iommu_type1_info = new Struct("vfio_iommu_type1_info", 24, {
  ...ARGSZ,
  /** `VFIO_IOMMU_INFO_…`. */
  flags: [4, "u32"],
  /** Bit n set: pages of 2^n bytes. */
  iova_pgsizes: [8, "u64"],
  /** Where the first capability lies, from the start of the answer. */
  cap_offset: [16, "u32"],
});

/** The usable IOVA ranges: this header, then {@link vfio_iova_range} `nr_iovas` times. */
export const vfio_iommu_type1_info_cap_iova_range = new Struct("vfio_iommu_type1_info_cap_iova_range", 16, {
  /** How many ranges follow. */
  nr_iovas: [8, "u32"],
});

/** One usable range; `end` is its last address. */
export const vfio_iova_range = new Struct("vfio_iova_range", 16, {
  /** The first address. */
  start: [0, "u64"],
  /** The last address, itself included. */
  end: [8, "u64"],
});

/** How many more mappings the container takes. */
export const vfio_iommu_type1_info_dma_avail = new Struct("vfio_iommu_type1_info_dma_avail", 12, {
  /** How many more mappings the container takes. */
  avail: [8, "u32"],
});

/** What `VFIO_IOMMU_MAP_DMA` takes. */
export const vfio_iommu_type1_dma_map = new Struct("vfio_iommu_type1_dma_map", 32, {
  ...ARGSZ,
  /** `VFIO_DMA_MAP_FLAG_…`. */
  flags: [4, "u32"],
  /** The memory's virtual address in this process. */
  vaddr: [8, "u64"],
  /** The address under which devices reach it. */
  iova: [16, "u64"],
  /** Length in bytes. */
  size: [24, "u64"],
});

/** What `VFIO_IOMMU_UNMAP_DMA` takes and answers. */
export const vfio_iommu_type1_dma_unmap = new Struct("vfio_iommu_type1_dma_unmap", 24, {
  ...ARGSZ,
  /** `VFIO_DMA_UNMAP_FLAG_…`; 0 for a plain unmap. */
  flags: [4, "u32"],
  /** The first address. */
  iova: [8, "u64"],
  /** Length in bytes; afterwards how much really was unmapped. */
  size: [16, "u64"],
});
