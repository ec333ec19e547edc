import { kernel, realKernel, useKernel } from "@vfio/ioctl-native";
import { vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { afterEach, beforeEach } from "vitest";

const QUESTIONS = [vfioIoctls.VFIO_GET_API_VERSION.number, vfioIoctls.VFIO_GROUP_GET_STATUS.number];

/** For each test of the file: files that stand in for a container or a group answer what only VFIO's do. */
export function useFilesThatAnswerAsVfio(): void {
  let inUse: Disposable;
  beforeEach(() => {
    const real = realKernel();
    const ioctl: typeof real.ioctl = (fd, request, argument) =>
      QUESTIONS.includes(request) ? 0 : real.ioctl(fd, request, argument);
    inUse = useKernel({ ...real, ioctl });
  });
  afterEach(() => inUse[Symbol.dispose]());
}

/**
 * The real kernel with two things changed: received packets are counted, and files that stand in for a container take
 * DMA mappings, of which it keeps a list.
 */
export class WatchedKernel implements Disposable {
  /** How many packets have been received in this process; ends of connections don't count. */
  packets = 0;
  /** What is mapped: the end of each range by its start. */
  readonly mapped = new Map<bigint, bigint>();
  /** What the next MAP_DMA or UNMAP_DMA returns instead of doing anything. */
  refuses: number | undefined;
  /** False while the container has no group, and so no IOMMU: whatever it is asked, it answers EINVAL. */
  hasIommu = true;
  /** How many calls off the event loop are on their way. */
  waiting = 0;
  private busy: Promise<void> | undefined;
  private late: Promise<void> | undefined;
  readonly #inUse: Disposable;

  constructor() {
    const real = kernel();
    this.#inUse = useKernel({
      ...real,
      socketReceive: (fd, maxBytes, maxFds) => {
        const packet = real.socketReceive(fd, maxBytes, maxFds);
        if (typeof packet !== "number" && (packet.bytes.length > 0 || packet.fds.length > 0)) this.packets++;
        return packet;
      },
      ioctl: (fd, request, argument) => this.#ioctl(request, argument) ?? real.ioctl(fd, request, argument),
      ioctlEach: (fd, request, structs, stride) => {
        const answer = this.#ioctl(request, structs);
        return answer === undefined ? real.ioctlEach(fd, request, structs, stride) : answer || 1;
      },
      ioctlAsync: async (fd, request, argument) => {
        this.waiting++;
        await this.busy;
        const answer = this.#ioctl(request, argument) ?? real.ioctlAsync(fd, request, argument);
        await this.late;
        this.waiting--;
        return answer;
      },
    });
  }

  /** Calls off the event loop wait from now on, before they act or when they have acted, until they are let go. */
  hold(when: "busy" | "late"): () => void {
    let letGo = (): void => undefined;
    this[when] = new Promise<void>((resolve) => (letGo = resolve));
    return letGo;
  }

  /** The last group leaves: the kernel forgets all mappings. */
  loseGroups(): void {
    this.hasIommu = false;
    this.mapped.clear();
  }

  #ioctl(request: number, argument: number | Uint8Array): number | undefined {
    if (typeof argument === "number") return undefined;
    const refusal = this.hasIommu ? this.refuses : -22;
    switch (request) {
      case vfioIoctls.VFIO_IOMMU_MAP_DMA.number:
        return refusal ?? this.#map(vfioStructs.vfio_iommu_type1_dma_map.decode(argument));
      case vfioIoctls.VFIO_IOMMU_UNMAP_DMA.number:
        return refusal ?? this.#unmap(argument);
      case vfioIoctls.VFIO_IOMMU_GET_INFO.number:
        return this.hasIommu ? 0 : -22;
      default:
        return undefined;
    }
  }

  #map({ iova, size }: { iova: bigint; size: bigint }): number {
    if (iova % 4096n !== 0n || size % 4096n !== 0n) return -22;
    for (const [start, end] of this.mapped) if (iova < end && start < iova + size) return -17;
    this.mapped.set(iova, iova + size);
    return 0;
  }

  /** As the kernel does, it writes back how much there was. */
  #unmap(argument: Uint8Array): number {
    const { vfio_iommu_type1_dma_unmap: unmap } = vfioStructs;
    const request = unmap.decode(argument);
    const size = (this.mapped.get(request.iova) ?? request.iova) - request.iova;
    argument.set(unmap.encode({ ...request, size }));
    this.mapped.delete(request.iova);
    return 0;
  }

  [Symbol.dispose](): void {
    this.#inUse[Symbol.dispose]();
  }
}

/** The real kernel, with a count of the watches that keep this process alive. */
export class ReferencedWatches implements Disposable {
  readonly #referenced = new Set<unknown>();
  readonly #inUse: Disposable;

  constructor() {
    const real = kernel();
    const referenced = this.#referenced;
    this.#inUse = useKernel({
      ...real,
      watch: (fd, forWriting, callback) => {
        const watcher = real.watch(fd, forWriting, callback);
        referenced.add(watcher);
        return watcher;
      },
      unwatch: (watcher) => {
        referenced.delete(watcher);
        real.unwatch(watcher);
      },
      watchRef: (watcher) => {
        referenced.add(watcher);
        real.watchRef(watcher);
      },
      watchUnref: (watcher) => {
        referenced.delete(watcher);
        real.watchUnref(watcher);
      },
    });
  }

  get count(): number {
    return this.#referenced.size;
  }

  [Symbol.dispose](): void {
    this.#inUse[Symbol.dispose]();
  }
}
