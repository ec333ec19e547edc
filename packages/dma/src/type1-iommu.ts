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
  printAs,
} from "@vfio/ioctl-native";
import type { DmaAccess, Iommu } from "./iommu.js";
import { explainMapFailure } from "./map-failure.js";
import { formatRange } from "./format.js";
import { bigIntOf } from "./halves.js";
import { ReusedStructs } from "./reused-structs.js";

const { VFIO_DMA_MAP_FLAG_READ: READ, VFIO_DMA_MAP_FLAG_WRITE: WRITE } = vfioConstants;

/** How a map struct begins, for each access. */
const HEADERS: Record<DmaAccess, bigint> = {
  "read-write": headerOf(READ | WRITE),
  "read-only": headerOf(READ),
  "write-only": headerOf(WRITE),
};

/** How many pieces go with one call: as many structs as fit two pages. */
const MANY = 256;

/** The IOMMU of a VFIO container (type1 or type1v2): anybody's container, known only by its fd. */
export class Type1Iommu implements Iommu {
  static {
    printAs(Type1Iommu, (it) => ({ container: it.#container.fd }));
  }

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
    this.#maps.quads[(count - 1) * MAP.quads + MAP.size] = bigIntOf(lastBytes);
    const done = ioctlEach(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, this.#maps.first(count), (errno) =>
      this.#mapFailure(errno, iova, Math.min(pieceBytes, bytes), wanted),
    );
    return Math.min(done * pieceBytes, bytes);
  }

  /** See {@link Iommu.unmap}. */
  unmap(iova: bigint, bytes: number): number {
    const { quads } = this.#unmap;
    quads[UNMAP.iova] = iova;
    quads[UNMAP.size] = bigIntOf(bytes);
    ioctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, this.#unmap.first(1), () => ({
      what: `cannot unmap IOVA ${formatRange(iova, bytes)}`,
    }));
    // The kernel writes into the struct how much it really took back.
    return Number(quads[UNMAP.size]);
  }

  /** The structs for `count` pieces of the same size. */
  #fill(count: number, address: bigint, iova: bigint, pieceBytes: number, access: DmaAccess): void {
    const { quads } = this.#maps;
    const header = HEADERS[access];
    const size = bigIntOf(pieceBytes);
    let [from, to] = [address, iova];
    for (let at = 0; at < count * MAP.quads; at += MAP.quads) {
      quads[at] = header;
      quads[at + MAP.vaddr] = from;
      quads[at + MAP.iova] = to;
      quads[at + MAP.size] = size;
      from += size;
      to += size;
    }
  }

  #mapFailure(errno: number, iova: bigint, bytes: number, wanted: number): IoctlContext {
    return {
      what: `cannot map IOVA ${formatRange(iova, bytes)} for DMA`,
      ...explainMapFailure(errno, wanted, () => this.info()),
    };
  }
}

/** Where each field lies, in words of 64 bits; the first one holds `argsz` and the flags. */
const MAP = {
  quads: vfioStructs.vfio_iommu_type1_dma_map.bytes / 8,
  vaddr: vfioStructs.vfio_iommu_type1_dma_map.fields.vaddr[0] / 8,
  iova: vfioStructs.vfio_iommu_type1_dma_map.fields.iova[0] / 8,
  size: vfioStructs.vfio_iommu_type1_dma_map.fields.size[0] / 8,
};
const UNMAP = {
  iova: vfioStructs.vfio_iommu_type1_dma_unmap.fields.iova[0] / 8,
  size: vfioStructs.vfio_iommu_type1_dma_unmap.fields.size[0] / 8,
};

function headerOf(flags: number): bigint {
  const struct = vfioStructs.vfio_iommu_type1_dma_map;
  const bytes = struct.encode({ argsz: struct.bytes, flags });
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, 1)[0] ?? 0n;
}
