import {
  errnoOf,
  ioctl,
  kernel,
  Mapping,
  vfioIoctls,
  vfioStructs,
  VfioError,
  VfioRangeError,
  VfioSystemError,
  type HasFd,
  type IovaRange,
} from "@vfio/ioctl-native";
import { flagsOf, type LeaseTerms, type LeaseVerdict } from "./lease-messages.js";

const EVERYWHERE: IovaRange = { start: 0n, end: 2n ** 64n - 1n };

/** What secondaries may map for themselves. */
export interface LeaseOptions {
  /** The IOVAs they may choose from, `end` included. Keep your own mappings out of it. Default: all. */
  readonly window?: IovaRange | undefined;
  /** How many leases there may be at once, from 1. Default 256. */
  readonly maxLeases?: number | undefined;
  /** How many bytes all leases together may have, from 1. Default 1 GiB. */
  readonly maxBytes?: number | undefined;
}

/** Memory of a secondary that this process has mapped for it. */
export interface Lease {
  /** The first address under which devices reach it. */
  readonly iova: bigint;
  /** Its length. */
  readonly bytes: number;
  /** The process that holds it. */
  readonly pid: number;
}

/**
 * The leases of a primary. The primary itself maps the memory, so that a range which the kernel accepted holds
 * nothing but the lease, and whatever becomes of the secondary, the primary can unmap it.
 */
export class Leases {
  readonly #container: HasFd;
  readonly #window: IovaRange;
  readonly #maxLeases: number;
  readonly #maxBytes: number;
  /** With each lease its mapping in this process; none while it is being made. */
  readonly #leases = new Map<Lease, Mapping | undefined>();

  constructor(container: HasFd, { window = EVERYWHERE, maxLeases = 256, maxBytes = 2 ** 30 }: LeaseOptions) {
    checkLimit("maxLeases", maxLeases);
    checkLimit("maxBytes", maxBytes);
    checkWindow(window);
    this.#container = container;
    this.#window = window;
    this.#maxLeases = maxLeases;
    this.#maxBytes = maxBytes;
  }

  /** Those there are now, in the order they came. */
  get all(): readonly Lease[] {
    return [...this.#leases.keys()];
  }

  /** Maps memory for a secondary, or says why not. Never throws. */
  grant(terms: LeaseTerms, file: HasFd, pid: number): { verdict: LeaseVerdict; lease?: Lease } {
    const refusal = this.#refusalOf(terms, file);
    if (refusal !== undefined) return { verdict: refusal };
    const lease: Lease = { iova: terms.iova, bytes: terms.bytes, pid };
    // In the book before the mapping is in the kernel: at no moment is there one that nobody would undo.
    this.#leases.set(lease, undefined);
    try {
      this.#leases.set(lease, this.#map(terms, file));
      return { verdict: { errno: 0 }, lease };
    } catch (error) {
      this.#leases.delete(lease);
      return { verdict: { errno: errnoIn(error) } };
    }
  }

  /**
   * Undoes a lease's mapping.
   * @throws VfioSystemError if the kernel refuses; the memory then stays mapped in this process. VfioError
   *   `ERR_VFIO_LEASE_LOST` if the container had not all of it any more.
   */
  release(lease: Lease): void {
    const mapping = this.#leases.get(lease);
    this.#leases.delete(lease);
    if (mapping === undefined) return;
    const { vfio_iommu_type1_dma_unmap: unmap } = vfioStructs;
    const request = unmap.encode({ argsz: unmap.bytes, iova: lease.iova, size: BigInt(lease.bytes) });
    ioctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, request, () => ({
      what: `cannot unmap the lease of process ${lease.pid}: ${rangeText(lease)}`,
    }));
    mapping.close();
    // The kernel writes back how much there was.
    const { size } = unmap.decode(request);
    if (size < BigInt(lease.bytes)) throw lostError(lease, size);
  }

  /** Undoes all mappings, as far as the kernel lets it: for the end of the process. */
  releaseAll(): void {
    for (const lease of this.all) {
      try {
        this.release(lease);
      } catch {
        continue;
      }
    }
  }

  #refusalOf(terms: LeaseTerms, file: HasFd): LeaseVerdict | undefined {
    const { iova, bytes } = terms;
    if (bytes === 0) return { errno: errnoOf("EINVAL") };
    if (iova < this.#window.start || lastOf(terms) > this.#window.end) return { errno: errnoOf("ERANGE") };
    const conflict = this.all.find((other) => iova <= lastOf(other) && other.iova <= lastOf(terms));
    if (conflict !== undefined) return { errno: errnoOf("EEXIST"), conflict };
    const taken = this.all.reduce((sum, lease) => sum + lease.bytes, 0);
    if (this.#leases.size >= this.#maxLeases) return { errno: errnoOf("EMFILE") };
    if (taken + bytes > this.#maxBytes) return { errno: errnoOf("EFBIG") };
    return isAnonymousMemory(file) ? undefined : { errno: errnoOf("EBADF") };
  }

  #map({ iova, bytes, offset, access }: LeaseTerms, file: HasFd): Mapping {
    const mapping = Mapping.map({
      file,
      bytes,
      offset,
      writable: access !== "read-only",
      name: "leased memory",
    });
    try {
      const { vfio_iommu_type1_dma_map: map } = vfioStructs;
      const flags = flagsOf(access);
      const vaddr = mapping.address;
      const request = map.encode({ argsz: map.bytes, flags, vaddr, iova, size: BigInt(bytes) });
      ioctl(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, request);
      return mapping;
    } catch (error) {
      mapping.close();
      throw error;
    }
  }
}

function lostError(lease: Lease, unmapped: bigint): VfioError {
  return new VfioError(
    "ERR_VFIO_LEASE_LOST",
    `of the lease of process ${lease.pid} only ${unmapped} of ${lease.bytes} bytes were still mapped: ${rangeText(lease)}`,
    {
      hint: "Somebody unmapped it, or the container's last group left, and the kernel forgot all mappings: keep a group while leases run",
    },
  );
}

/** "IOVA 0x1000 to 0x1fff". */
export function rangeText(range: { readonly iova: bigint; readonly bytes: number }): string {
  return `IOVA 0x${range.iova.toString(16)} to 0x${lastOf(range).toString(16)}`;
}

function lastOf({ iova, bytes }: { readonly iova: bigint; readonly bytes: number }): bigint {
  return iova + BigInt(bytes) - 1n;
}

// Behind any other file may be a filesystem of somebody's own (FUSE), which could keep the kernel, and with it this
// process, waiting for its pages.
function isAnonymousMemory({ fd }: HasFd): boolean {
  const target = kernel().readLink(`/proc/self/fd/${fd}`);
  return typeof target === "string" && target.startsWith("/memfd:");
}

function errnoIn(error: unknown): number {
  if (error instanceof VfioSystemError) return isOfContainer(error) ? errnoOf("ENODEV") : error.errno;
  return error instanceof VfioError ? errnoOf("ENODEV") : errnoOf("EINVAL");
}

// The container has been closed. EBADF of mmap is the file's.
function isOfContainer({ code, syscall }: VfioSystemError): boolean {
  return code === "EBADF" && syscall === "ioctl";
}

function checkLimit(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_LEASES",
    `${name} of leases is ${value}: it must be a whole number from 1`,
  );
}

function checkWindow({ start, end }: IovaRange): void {
  if (typeof start === "bigint" && typeof end === "bigint" && start >= 0n && start <= end && end < 2n ** 64n)
    return;
  throw new VfioRangeError(
    "ERR_VFIO_LEASES",
    `a window of IOVAs from ${start} to ${end}: both must be bigints of 64 bits, the end not before the start`,
  );
}
