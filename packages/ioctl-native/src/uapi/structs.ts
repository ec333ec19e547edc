import { Struct } from "../struct.js";

/** The structs of `<linux/vfio.h>` that this library uses, each with the header's own names and offsets. */
export const vfio_group_status = new Struct("vfio_group_status", 8, { argsz: [0, "u32"], flags: [4, "u32"] });

export const vfio_device_info = new Struct("vfio_device_info", 20, {
  argsz: [0, "u32"],
  flags: [4, "u32"],
  num_regions: [8, "u32"],
  num_irqs: [12, "u32"],
  cap_offset: [16, "u32"],
});

export const vfio_region_info = new Struct("vfio_region_info", 32, {
  argsz: [0, "u32"],
  flags: [4, "u32"],
  index: [8, "u32"],
  cap_offset: [12, "u32"],
  size: [16, "u64"],
  offset: [24, "u64"],
});

export const vfio_info_cap_header = new Struct("vfio_info_cap_header", 8, {
  id: [0, "u16"],
  version: [2, "u16"],
  next: [4, "u32"],
});

export const vfio_region_info_cap_sparse_mmap = new Struct("vfio_region_info_cap_sparse_mmap", 16, {
  nr_areas: [8, "u32"],
});

export const vfio_region_sparse_mmap_area = new Struct("vfio_region_sparse_mmap_area", 16, {
  offset: [0, "u64"],
  size: [8, "u64"],
});

export const vfio_irq_info = new Struct("vfio_irq_info", 16, {
  argsz: [0, "u32"],
  flags: [4, "u32"],
  index: [8, "u32"],
  count: [12, "u32"],
});

export const vfio_irq_set = new Struct("vfio_irq_set", 20, {
  argsz: [0, "u32"],
  flags: [4, "u32"],
  index: [8, "u32"],
  start: [12, "u32"],
  count: [16, "u32"],
});

export const vfio_iommu_type1_info = new Struct("vfio_iommu_type1_info", 24, {
  argsz: [0, "u32"],
  flags: [4, "u32"],
  iova_pgsizes: [8, "u64"],
  cap_offset: [16, "u32"],
});

export const vfio_iommu_type1_info_cap_iova_range = new Struct("vfio_iommu_type1_info_cap_iova_range", 16, {
  nr_iovas: [8, "u32"],
});

export const vfio_iova_range = new Struct("vfio_iova_range", 16, { start: [0, "u64"], end: [8, "u64"] });

export const vfio_iommu_type1_info_dma_avail = new Struct("vfio_iommu_type1_info_dma_avail", 12, {
  avail: [8, "u32"],
});

export const vfio_iommu_type1_dma_map = new Struct("vfio_iommu_type1_dma_map", 32, {
  argsz: [0, "u32"],
  flags: [4, "u32"],
  vaddr: [8, "u64"],
  iova: [16, "u64"],
  size: [24, "u64"],
});

export const vfio_iommu_type1_dma_unmap = new Struct("vfio_iommu_type1_dma_unmap", 24, {
  argsz: [0, "u32"],
  flags: [4, "u32"],
  iova: [8, "u64"],
  size: [16, "u64"],
});
