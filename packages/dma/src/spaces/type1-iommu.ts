import {
  bigIntOf,
  formatRange,
  ioctl,
  ioctlAsync,
  ioctlEach,
  rangeOf,
  readIommuInfo,
  vfioConstants,
  vfioIoctls,
  vfioStructs,
  type HasFd,
  type IommuInfo,
  type IoctlContext,
  printAs,
} from "@vfio/ioctl-native";
import { argumentError, checkObject } from "../arguments.js";
import type { DmaAccess, Iommu } from "./iommu.js";
import { explainMapFailure } from "./map-failure.js";
import { ReusedStructs } from "./reused-structs.js";

const { VFIO_DMA_MAP_FLAG_READ: READ, VFIO_DMA_MAP_FLAG_WRITE: WRITE } = vfioConstants;

const FLAGS: Record<DmaAccess, number> = {
  "read-write": READ | WRITE,
  "read-only": READ,
  "write-only": WRITE,
};

/** How a map struct begins, for each access. */
const HEADERS: Record<DmaAccess, bigint> = {
  "read-write": headerOf(FLAGS["read-write"]),
  "read-only": headerOf(FLAGS["read-only"]),
  "write-only": headerOf(FLAGS["write-only"]),
};

const CONTAINER_EXPECTED = "a VFIO container ({ fd: number })";

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

  /** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` for what has no fd. */
  constructor(container: HasFd) {
    checkObject(container, CONTAINER_EXPECTED);
    if (!("fd" in container)) throw argumentError(container, CONTAINER_EXPECTED);
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
      what: `cannot unmap IOVA ${formatRange(rangeOf({ iova, bytes }))}`,
    }));
    // The kernel writes into the struct how much it really took back.
    return Number(quads[UNMAP.size]);
  }

  /** See {@link Iommu.mapAsync}. Throws what {@link map} throws. */
  async mapAsync(
    address: bigint,
    iova: bigint,
    bytes: number,
    access: DmaAccess,
    wanted = bytes,
  ): Promise<void> {
    const struct = vfioStructs.vfio_iommu_type1_dma_map;
    const size = bigIntOf(bytes);
    // A struct of its own: others may be under way.
    const argument = struct.encode({
      flags: FLAGS[access],
      vaddr: address,
      iova,
      size,
    });
    await ioctlAsync(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, argument, (errno) =>
      this.#mapFailure(errno, iova, bytes, wanted),
    );
  }

  /** See {@link Iommu.unmapAsync}. */
  async unmapAsync(iova: bigint, bytes: number): Promise<number> {
    const struct = vfioStructs.vfio_iommu_type1_dma_unmap;
    const argument = struct.encode({ iova, size: bigIntOf(bytes) });
    await ioctlAsync(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, argument, () => ({
      what: `cannot unmap IOVA ${formatRange(rangeOf({ iova, bytes }))}`,
    }));
    return Number(struct.decode(argument).size);
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
      what: `cannot map IOVA ${formatRange(rangeOf({ iova, bytes }))} for DMA`,
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
  const bytes = struct.encode({ flags });
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, 1)[0] ?? 0n;
}
