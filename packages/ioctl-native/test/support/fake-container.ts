import { errnoOf, useKernel, type IovaRange, type Kernel } from "../../src/index.js";
import { vfioConstants, vfioIoctls, vfioStructs } from "../../src/vfio/index.js";
import { closedError, rangeOf } from "../../src/internal.js";

const {
  vfio_iommu_type1_dma_map: MAP,
  vfio_iommu_type1_dma_unmap: UNMAP,
  vfio_iommu_type1_info: INFO,
  vfio_info_cap_header: CAPABILITY,
  vfio_iommu_type1_info_cap_iova_range: RANGES,
  vfio_iova_range: RANGE,
} = vfioStructs;
const { VFIO_IOMMU_INFO_CAPS, VFIO_IOMMU_INFO_PGSIZES, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE } = vfioConstants;

type MapRequest = ReturnType<typeof MAP.decode>;

/** A container, and the kernel behind it: a type1v2 IOMMU that keeps its mappings, and what it was asked. */
export class FakeContainer implements Disposable {
  readonly mapped: IovaRange[] = [];
  /** What each call was to map. */
  readonly maps: MapRequest[][] = [];
  readonly unmaps: ReturnType<typeof UNMAP.decode>[] = [];
  /** False: it has no group, and so no IOMMU. */
  hasGroup = true;
  closed = false;
  /** What unmapping returns instead of doing anything. */
  unmapAnswer: number | undefined;
  /** Where it ends, that address included. */
  readonly lastAddress = 2n ** 39n - 1n;
  readonly #inUse: Disposable;

  constructor() {
    const ioctl: Kernel["ioctl"] = (fd, request, argument) =>
      this.#ioctl(fd, request, argument as Uint8Array);
    const kernel: Partial<Kernel> = {
      ioctl,
      ioctlEach: (fd, request, structs) => this.#mapEach(fd, request, structs),
      ioctlAsync: (...args) => Promise.resolve(ioctl(...args)),
    };
    this.#inUse = useKernel(kernel as Kernel);
  }

  get fd(): number {
    if (this.closed) throw closedError("the fake container");
    return 7;
  }

  [Symbol.dispose](): void {
    this.closed = true;
    this.#inUse[Symbol.dispose]();
  }

  #ioctl(fd: number, request: number, argument: Uint8Array): number {
    if (!this.hasGroup || fd !== 7) return errnoOf("EINVAL");
    switch (request) {
      case vfioIoctls.VFIO_IOMMU_MAP_DMA.number:
        return Math.min(this.#mapEach(fd, request, argument), 0);
      case vfioIoctls.VFIO_IOMMU_UNMAP_DMA.number:
        return this.#unmap(argument);
      case vfioIoctls.VFIO_IOMMU_GET_INFO.number:
        return this.#tell(argument);
      default:
        return errnoOf("ENOTTY");
    }
  }

  #mapEach(fd: number, request: number, structs: Uint8Array): number {
    if (!this.hasGroup || fd !== 7 || request !== vfioIoctls.VFIO_IOMMU_MAP_DMA.number)
      return errnoOf("EINVAL");
    const count = structs.length / MAP.bytes;
    const requests = Array.from({ length: count }, (_, at) => MAP.decode(structs, at * MAP.bytes));
    this.maps.push(requests);
    for (const [done, each] of requests.entries()) {
      const answer = this.#map(each);
      if (answer < 0) return done === 0 ? answer : done;
    }
    return count;
  }

  #map({ iova, size }: MapRequest): number {
    const range = rangeOf({ iova, bytes: Number(size) });
    if (range.end > this.lastAddress) return errnoOf("EINVAL");
    if (this.mapped.some(({ start, end }) => start <= range.end && range.start <= end))
      return errnoOf("EEXIST");
    this.mapped.push(range);
    return 0;
  }

  #unmap(argument: Uint8Array): number {
    const asked = UNMAP.decode(argument);
    this.unmaps.push(asked);
    if (this.unmapAnswer !== undefined) return this.unmapAnswer;
    const gone = this.mapped.filter(({ start, end }) => start >= asked.iova && end < asked.iova + asked.size);
    for (const each of gone) this.mapped.splice(this.mapped.indexOf(each), 1);
    UNMAP.write(argument, { size: gone.reduce((sum, { start, end }) => sum + end + 1n - start, 0n) });
    return 0;
  }

  #tell(argument: Uint8Array): number {
    const bytes = INFO.bytes + RANGES.bytes + RANGE.bytes;
    const flags = VFIO_IOMMU_INFO_CAPS | VFIO_IOMMU_INFO_PGSIZES;
    INFO.write(argument, { argsz: bytes, flags, iova_pgsizes: 0x1000n, cap_offset: INFO.bytes });
    if (argument.length < bytes) return 0;
    CAPABILITY.write(argument, { id: VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, version: 1 }, INFO.bytes);
    RANGES.write(argument, { nr_iovas: 1 }, INFO.bytes);
    RANGE.write(argument, { start: 0n, end: this.lastAddress }, INFO.bytes + RANGES.bytes);
    return 0;
  }
}
