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
  readonly #map = new ReusedStruct(vfioStructs.vfio_iommu_type1_dma_map);
  readonly #unmap = new ReusedStruct(vfioStructs.vfio_iommu_type1_dma_unmap);

  constructor(container: HasFd) {
    this.#container = container;
  }

  /** See {@link Iommu.info}. */
  info(): IommuInfo {
    return readIommuInfo(this.#container);
  }

  /** See {@link Iommu.map}. Throws VfioSystemError with the errno explained. */
  map(address: bigint, iova: bigint, bytes: number, access: DmaAccess): void {
    const { bytes: buffer, words, quads } = this.#map;
    words[MAP.flags] = FLAGS[access];
    quads[MAP.vaddr] = address;
    quads[MAP.iova] = iova;
    quads[MAP.size] = BigInt(bytes);
    ioctl(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, buffer, (errno) => ({
      what: `cannot map IOVA ${formatRange(iova, bytes)} for DMA`,
      ...explainMapFailure(errno, bytes, () => this.info()),
    }));
  }

  /** See {@link Iommu.unmap}. */
  unmap(iova: bigint, bytes: number): number {
    const { bytes: buffer, quads } = this.#unmap;
    quads[UNMAP.iova] = iova;
    quads[UNMAP.size] = BigInt(bytes);
    ioctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, buffer, () => ({
      what: `cannot unmap IOVA ${formatRange(iova, bytes)}`,
    }));
    // The kernel writes into the struct how much it really took back.
    return Number(quads[UNMAP.size]);
  }
}

/** Where each field lies, counted in its own size. */
const MAP = {
  flags: vfioStructs.vfio_iommu_type1_dma_map.fields.flags[0] / 4,
  vaddr: vfioStructs.vfio_iommu_type1_dma_map.fields.vaddr[0] / 8,
  iova: vfioStructs.vfio_iommu_type1_dma_map.fields.iova[0] / 8,
  size: vfioStructs.vfio_iommu_type1_dma_map.fields.size[0] / 8,
};
const UNMAP = {
  iova: vfioStructs.vfio_iommu_type1_dma_unmap.fields.iova[0] / 8,
  size: vfioStructs.vfio_iommu_type1_dma_unmap.fields.size[0] / 8,
};

/** One buffer for all calls: a large memory in small pieces takes thousands. */
class ReusedStruct {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly quads: BigUint64Array;

  constructor(struct: { readonly bytes: number; encode(values: { argsz: number }): Uint8Array }) {
    this.bytes = struct.encode({ argsz: struct.bytes });
    this.words = new Uint32Array(this.bytes.buffer);
    this.quads = new BigUint64Array(this.bytes.buffer);
  }
}
