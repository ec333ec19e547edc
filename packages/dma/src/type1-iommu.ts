import {
  ioctl,
  ioctlEach,
  readIommuInfo,
  vfioConstants,
  vfioIoctls,
  vfioStructs,
  type HasFd,
  type IommuInfo,
  type IoctlContext,
} from "@vfio/ioctl-native";
import type { DmaAccess, Iommu } from "./iommu.js";
import { explainMapFailure } from "./map-failure.js";
import { formatRange } from "./format.js";
import { HalvesCounter, HIGH, LOW } from "./halves.js";
import { ReusedStructs } from "./reused-structs.js";

const { VFIO_DMA_MAP_FLAG_READ: READ, VFIO_DMA_MAP_FLAG_WRITE: WRITE } = vfioConstants;
const FLAGS: Record<DmaAccess, number> = {
  "read-write": READ | WRITE,
  "read-only": READ,
  "write-only": WRITE,
};

/** How many pieces go with one call: as many structs as fit two pages. */
const MANY = 256;

/** The IOMMU of a VFIO container (type1 or type1v2): anybody's container, known only by its fd. */
export class Type1Iommu implements Iommu {
  readonly #container: HasFd;
  readonly #maps = new ReusedStructs(vfioStructs.vfio_iommu_type1_dma_map, MANY);
  readonly #unmap = new ReusedStructs(vfioStructs.vfio_iommu_type1_dma_unmap, 1);

  constructor(container: HasFd) {
    this.#container = container;
  }

  /** See {@link Iommu.info}. */
  info(): IommuInfo {
    return readIommuInfo(this.#container);
  }

  /** See {@link Iommu.map}. Throws VfioSystemError with the errno explained. */
  map(address: bigint, iova: bigint, bytes: number, access: DmaAccess, wanted = bytes): void {
    this.mapPieces(address, iova, bytes, access, bytes, wanted);
  }

  /** See {@link Iommu.mapPieces}. Throws VfioSystemError for the first piece, with the errno explained. */
  mapPieces(
    address: bigint,
    iova: bigint,
    bytes: number,
    access: DmaAccess,
    pieceBytes: number,
    wanted = bytes,
  ): number {
    const count = Math.min(Math.ceil(bytes / pieceBytes), MANY);
    this.#fill(count, address, iova, pieceBytes, access);
    const lastBytes = Math.min(bytes - (count - 1) * pieceBytes, pieceBytes);
    this.#maps.quads[((count - 1) * MAP.words + MAP.size) / 2] = BigInt(lastBytes);
    const done = ioctlEach(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, this.#maps.first(count), (errno) =>
      this.#mapFailure(errno, iova, Math.min(pieceBytes, bytes), wanted),
    );
    return Math.min(done * pieceBytes, bytes);
  }

  /** See {@link Iommu.unmap}. */
  unmap(iova: bigint, bytes: number): number {
    const { quads } = this.#unmap;
    quads[UNMAP.iova] = iova;
    quads[UNMAP.size] = BigInt(bytes);
    ioctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, this.#unmap.first(1), () => ({
      what: `cannot unmap IOVA ${formatRange(iova, bytes)}`,
    }));
    // The kernel writes into the struct how much it really took back.
    return Number(quads[UNMAP.size]);
  }

  /** The structs for `count` pieces of the same size: without BigInt, since there may be hundreds. */
  #fill(count: number, address: bigint, iova: bigint, pieceBytes: number, access: DmaAccess): void {
    const { words } = this.#maps;
    const flags = FLAGS[access];
    const size = new HalvesCounter(BigInt(pieceBytes));
    const from = new HalvesCounter(address);
    const to = new HalvesCounter(iova);
    for (let at = 0; at < count * MAP.words; at += MAP.words) {
      words[at + MAP.flags] = flags;
      words[at + MAP.vaddr + LOW] = from.low;
      words[at + MAP.vaddr + HIGH] = from.high;
      words[at + MAP.iova + LOW] = to.low;
      words[at + MAP.iova + HIGH] = to.high;
      words[at + MAP.size + LOW] = size.low;
      words[at + MAP.size + HIGH] = size.high;
      from.add(size);
      to.add(size);
    }
  }

  #mapFailure(errno: number, iova: bigint, bytes: number, wanted: number): IoctlContext {
    return {
      what: `cannot map IOVA ${formatRange(iova, bytes)} for DMA`,
      ...explainMapFailure(errno, wanted, () => this.info()),
    };
  }
}

/** Where each field lies, in words of 32 bits. */
const MAP = {
  words: vfioStructs.vfio_iommu_type1_dma_map.bytes / 4,
  flags: vfioStructs.vfio_iommu_type1_dma_map.fields.flags[0] / 4,
  vaddr: vfioStructs.vfio_iommu_type1_dma_map.fields.vaddr[0] / 4,
  iova: vfioStructs.vfio_iommu_type1_dma_map.fields.iova[0] / 4,
  size: vfioStructs.vfio_iommu_type1_dma_map.fields.size[0] / 4,
};
/** The same in words of 64 bits. */
const UNMAP = {
  iova: vfioStructs.vfio_iommu_type1_dma_unmap.fields.iova[0] / 8,
  size: vfioStructs.vfio_iommu_type1_dma_unmap.fields.size[0] / 8,
};
