import {
  ioctl,
  readIommuInfo,
  vfioConstants,
  vfioIoctls,
  vfioStructs,
  type HasFd,
  type IommuInfo,
} from "@vfio/ioctl-native";
import type { DmaAccess, Iommu } from "./iommu.js";
import { explainMapFailure } from "./map-failure.js";
import { formatRange } from "./format.js";

const { VFIO_DMA_MAP_FLAG_READ: READ, VFIO_DMA_MAP_FLAG_WRITE: WRITE } = vfioConstants;
const FLAGS: Record<DmaAccess, number> = {
  "read-write": READ | WRITE,
  "read-only": READ,
  "write-only": WRITE,
};

/** The IOMMU of a VFIO container (type1 or type1v2): anybody's container, known only by its fd. */
export class Type1Iommu implements Iommu {
  readonly #container: HasFd;
  readonly #map = vfioStructs.vfio_iommu_type1_dma_map.encode({
    argsz: vfioStructs.vfio_iommu_type1_dma_map.bytes,
  });

  constructor(container: HasFd) {
    this.#container = container;
  }

  info(): IommuInfo {
    return readIommuInfo(this.#container);
  }

  map(address: bigint, iova: bigint, bytes: number, access: DmaAccess): void {
    const values = { flags: FLAGS[access], vaddr: address, iova, size: BigInt(bytes) };
    vfioStructs.vfio_iommu_type1_dma_map.write(this.#map, values);
    ioctl(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, this.#map, (errno) => ({
      what: `cannot map IOVA ${formatRange(iova, bytes)} for DMA`,
      ...explainMapFailure(errno, bytes, () => this.info()),
    }));
  }

  unmap(iova: bigint, bytes: number): number {
    const struct = vfioStructs.vfio_iommu_type1_dma_unmap;
    const buffer = struct.encode({ argsz: struct.bytes, iova, size: BigInt(bytes) });
    ioctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, buffer, () => ({
      what: `cannot unmap IOVA ${formatRange(iova, bytes)}`,
    }));
    return Number(struct.decode(buffer).size);
  }
}
