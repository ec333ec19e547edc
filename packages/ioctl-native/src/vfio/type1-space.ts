import type { AddressSpace } from "../contracts/address-space.js";
import type { DmaAccess } from "../contracts/dma-access.js";
import type { MappableMemory } from "../contracts/mappable-memory.js";
import { checkHasFd } from "../errors/argument-error.js";
import { hasErrno } from "../errors/errors.js";
import { printAs } from "../errors/printed.js";
import type { HasFd } from "../files/fd.js";
import { bigIntOf, formatRange, rangeOf } from "../intervals/index.js";
import { ioctl, ioctlAsync, ioctlEach, type IoctlContext } from "../kernel/ioctl.js";
import { VFIO_DMA_MAP_FLAG_READ as READ, VFIO_DMA_MAP_FLAG_WRITE as WRITE } from "./constants.js";
import { readIommuInfo, type IommuInfo } from "./iommu-info.js";
import { VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_UNMAP_DMA } from "./ioctls.js";
import { explainMapFailure } from "./map-failure.js";
import { ReusedStructs } from "./reused-structs.js";
import {
  vfio_iommu_type1_dma_map as mapStruct,
  vfio_iommu_type1_dma_unmap as unmapStruct,
} from "./structs.js";

/** `VFIO_DMA_MAP_FLAG_…` of each access. */
export const DMA_MAP_FLAGS: Readonly<Record<DmaAccess, number>> = {
  "read-write": READ | WRITE,
  "read-only": READ,
  "write-only": WRITE,
};

const HEADERS: Record<DmaAccess, bigint> = {
  "read-write": headerOf("read-write"),
  "read-only": headerOf("read-only"),
  "write-only": headerOf("write-only"),
};

/** The number of pieces in one call: as many structs as fit two pages. */
const MANY = 256;

/** The addresses of a VFIO container (type1 or type1v2): anybody's container, known only by its fd. */
export class Type1Space implements AddressSpace {
  static {
    printAs(Type1Space, (it) => ({ container: it.#container.fd }));
  }

  readonly kind = "type1";
  readonly forgets = "with-last-group";
  readonly #container: HasFd;
  readonly #maps = new ReusedStructs(mapStruct, MANY);
  readonly #unmap = new ReusedStructs(unmapStruct, 1);

  /** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything without an fd. */
  constructor(container: HasFd) {
    checkHasFd("the container", "a VFIO container ({ fd: number })", container);
    this.#container = container;
  }

  /** See {@link AddressSpace.limits}. A container without a group has no IOMMU type, and answers EINVAL. */
  limits(): IommuInfo | undefined {
    try {
      return readIommuInfo(this.#container);
    } catch (error) {
      if (hasErrno(error, "EINVAL")) return undefined;
      throw error;
    }
  }

  /** See {@link AddressSpace.map}. Throws VfioSystemError for the first piece, with the errno explained. */
  map(
    memory: Pick<MappableMemory, "address" | "bytes">,
    offset: number,
    bytes: number,
    iova: bigint,
    access: DmaAccess,
    pieceBytes = bytes,
  ): number {
    const count = Math.min(Math.ceil(bytes / pieceBytes), MANY);
    this.#fill(count, memory.address + bigIntOf(offset), iova, pieceBytes, access);
    const lastBytes = Math.min(bytes - (count - 1) * pieceBytes, pieceBytes);
    this.#maps.quads[(count - 1) * MAP.quads + MAP.size] = bigIntOf(lastBytes);
    const done = ioctlEach(this.#container, VFIO_IOMMU_MAP_DMA, this.#maps.first(count), (errno) =>
      this.#mapFailure(errno, iova, Math.min(pieceBytes, bytes), memory.bytes - offset),
    );
    return Math.min(done * pieceBytes, bytes);
  }

  unmap(iova: bigint, bytes: number): number {
    const { quads } = this.#unmap;
    quads[UNMAP.iova] = iova;
    quads[UNMAP.size] = bigIntOf(bytes);
    ioctl(this.#container, VFIO_IOMMU_UNMAP_DMA, this.#unmap.first(1), () => unmapFailure(iova, bytes));
    // The kernel writes the number of bytes unmapped into the struct.
    return Number(quads[UNMAP.size]);
  }

  /** See {@link AddressSpace.mapAsync}. Maps one piece; throws what {@link map} throws. */
  async mapAsync(
    ...[memory, offset, bytes, iova, access, pieceBytes = bytes]: Parameters<AddressSpace["map"]>
  ): Promise<number> {
    const piece = Math.min(bytes, pieceBytes);
    const vaddr = memory.address + bigIntOf(offset);
    // A struct of its own: other calls may be in progress.
    const argument = mapStruct.encode({ flags: DMA_MAP_FLAGS[access], vaddr, iova, size: bigIntOf(piece) });
    await ioctlAsync(this.#container, VFIO_IOMMU_MAP_DMA, argument, (errno) =>
      this.#mapFailure(errno, iova, piece, memory.bytes - offset),
    );
    return piece;
  }

  async unmapAsync(iova: bigint, bytes: number): Promise<number> {
    const argument = unmapStruct.encode({ iova, size: bigIntOf(bytes) });
    await ioctlAsync(this.#container, VFIO_IOMMU_UNMAP_DMA, argument, () => unmapFailure(iova, bytes));
    return Number(unmapStruct.read(argument, "size"));
  }

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
      hint: explainMapFailure(errno, wanted, () => this.limits()),
    };
  }
}

function unmapFailure(iova: bigint, bytes: number): IoctlContext {
  return { what: `cannot unmap IOVA ${formatRange(rangeOf({ iova, bytes }))}` };
}

/** Field indexes in words of 64 bits; the first word has `argsz` and the flags. */
const MAP = {
  quads: mapStruct.bytes / 8,
  vaddr: mapStruct.fields.vaddr[0] / 8,
  iova: mapStruct.fields.iova[0] / 8,
  size: mapStruct.fields.size[0] / 8,
};
const UNMAP = {
  iova: unmapStruct.fields.iova[0] / 8,
  size: unmapStruct.fields.size[0] / 8,
};

function headerOf(access: DmaAccess): bigint {
  const bytes = mapStruct.encode({ flags: DMA_MAP_FLAGS[access] });
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, 1)[0] ?? 0n;
}
