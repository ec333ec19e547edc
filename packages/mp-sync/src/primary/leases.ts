import type { VfioSystemError } from "@vfio/ioctl-native";
import {
  errnoOf,
  isVfioError,
  VfioError,
  VfioRangeError,
  type HasFd,
  type IovaRange,
} from "@vfio/ioctl-native";
import { Type1Space } from "@vfio/ioctl-native/vfio";
import { isAnonymousMemory, isWithin, overlaps, rangeOf, shownValue } from "@vfio/ioctl-native/internal";
import { checkLimit, checkObject } from "../argument-checks.js";
import { rangeText, type Lease, type LeaseTerms, type LeaseVerdict } from "../wire/lease-messages.js";
import { LeasedMemory, type LeaseSpace } from "./leased-memory.js";

/**
 * The default range of leases: 1 GiB, as much as all leases together may have, within 32 address bits and far from an
 * allocator's first addresses. Let the primary's own allocator leave it free: `new DmaMapper(container, { iova: new
 * IovaAllocator({ reserved: [LEASE_WINDOW] }) })` of `@vfio/dma`.
 */
export const LEASE_WINDOW: IovaRange = Object.freeze({ start: 0x8000_0000n, end: 0xbfff_ffffn });

/** Limits of the memory that secondaries may map for themselves. */
export interface LeaseOptions {
  /** The IOVAs they may choose from, ends included. Keep your own mappings out of it. Default: {@link LEASE_WINDOW}. */
  readonly window?: IovaRange | undefined;
  /** The most leases at once, from 1. Default 256. */
  readonly maxLeases?: number | undefined;
  /** The most bytes of all leases together, from 1. Default 1 GiB. */
  readonly maxBytes?: number | undefined;
}

export interface LeaseGrant {
  readonly verdict: LeaseVerdict;
  readonly lease?: Lease;
}

/**
 * The leases of a primary. The primary itself maps the memory, so that it can unmap it whatever becomes of the
 * secondary, and the range holds nothing but the lease.
 */
export class Leases {
  readonly #at: LeaseSpace;
  readonly #window: IovaRange;
  readonly #maxLeases: number;
  readonly #maxBytes: number;
  /** The memory of each lease; none while it is being mapped. */
  readonly #leases = new Map<Lease, LeasedMemory | undefined>();
  #closed = false;

  constructor(container: HasFd, options: LeaseOptions) {
    const { window = LEASE_WINDOW, maxLeases = 256, maxBytes = 2 ** 30 } = options;
    checkLimit(maxLeases, "maxLeases of leases", "ERR_VFIO_LEASES");
    checkLimit(maxBytes, "maxBytes of leases", "ERR_VFIO_LEASES");
    checkWindow(window);
    this.#at = { container, space: new Type1Space(container) };
    this.#window = window;
    this.#maxLeases = maxLeases;
    this.#maxBytes = maxBytes;
  }

  /** In the order they came, with those that the kernel refused to unmap. */
  get all(): readonly Lease[] {
    return [...this.#leases.keys()];
  }

  /** Maps memory for a secondary, or says why not. Never rejects. The file may be closed as soon as this returns. */
  async grant(terms: LeaseTerms, file: HasFd, pid: number): Promise<LeaseGrant> {
    const refusal = this.#refusalOf(terms, file);
    if (refusal !== undefined) return { verdict: refusal };
    const lease: Lease = { iova: terms.iova, bytes: terms.bytes, pid };
    // Takes its place before the kernel is asked: others may come meanwhile.
    this.#leases.set(lease, undefined);
    try {
      this.#leases.set(lease, await LeasedMemory.map(this.#at, terms, file));
      return this.#closed ? this.#refuseAfterAll(lease) : { verdict: { errno: 0 }, lease };
    } catch (error) {
      this.#leases.delete(lease);
      return { verdict: { errno: errnoIn(error) } };
    }
  }

  /** @throws VfioError `ERR_VFIO_LEASE_LOST` if the container no longer has it. */
  checkMapped(lease: Lease): void {
    if (this.#leases.get(lease)?.isMapped() === false) throw lostError(lease, 0);
  }

  /**
   * Unmaps a lease. Releasing twice does nothing.
   * @throws VfioSystemError if the kernel refuses, VfioError `ERR_VFIO_CLOSED` if the container is closed: it may still
   * be mapped, so the memory stays, and so does its place in the book. VfioError `ERR_VFIO_LEASE_LOST` if the
   * container had not all of it any more.
   */
  release(lease: Lease): void {
    const memory = this.#leases.get(lease);
    if (memory !== undefined) this.#strike(lease, memory.unmap());
  }

  async releaseAsync(lease: Lease): Promise<void> {
    const memory = this.#leases.get(lease);
    if (memory !== undefined) this.#strike(lease, await memory.unmapAsync());
  }

  /**
   * Grants nothing from then on, and tries again to unmap the leases that the kernel refused to unmap: an event has
   * told of each. A lease that is being mapped is unmapped afterwards.
   */
  close(): void {
    this.#closed = true;
    for (const lease of this.all) this.#releaseQuietly(lease);
  }

  #refuseAfterAll(lease: Lease): LeaseGrant {
    this.#releaseQuietly(lease);
    return { verdict: { errno: errnoOf("ENODEV") } };
  }

  #releaseQuietly(lease: Lease): void {
    try {
      this.release(lease);
    } catch {
      return;
    }
  }

  #strike(lease: Lease, unmapped: number): void {
    const isOurs = this.#leases.delete(lease);
    if (isOurs && unmapped < lease.bytes) throw lostError(lease, unmapped);
  }

  #refusalOf(terms: LeaseTerms, file: HasFd): LeaseVerdict | undefined {
    const { bytes } = terms;
    if (bytes === 0) return { errno: errnoOf("EINVAL") };
    const range = rangeOf(terms);
    if (!isWithin(range, this.#window)) return { errno: errnoOf("ERANGE") };
    const conflict = this.all.find((other) => overlaps(rangeOf(other), range));
    if (conflict !== undefined) return { errno: errnoOf("EEXIST"), conflict };
    const taken = this.all.reduce((sum, lease) => sum + lease.bytes, 0);
    if (this.#leases.size >= this.#maxLeases) return { errno: errnoOf("EMFILE") };
    if (taken + bytes > this.#maxBytes) return { errno: errnoOf("EFBIG") };
    // Any other file may lie in a userspace filesystem (FUSE), which could keep the kernel, and with it this process,
    // waiting for its pages.
    return isAnonymousMemory(file) ? undefined : { errno: errnoOf("EBADF") };
  }
}

function lostError(lease: Lease, unmapped: number): VfioError {
  return new VfioError(
    "ERR_VFIO_LEASE_LOST",
    `of the lease of process ${lease.pid} only ${unmapped} of ${lease.bytes} bytes were still mapped: ${rangeText(lease)}`,
    {
      hint: "The container's last group left, and the kernel forgot all mappings, or another process unmapped the lease: keep a group while leases run. The secondary may ask for a new lease",
    },
  );
}

function errnoIn(error: unknown): number {
  if (!isVfioError(error)) return errnoOf("EINVAL");
  if (isSystemError(error)) return isOfContainer(error) ? errnoOf("ENODEV") : error.errno;
  if (error.code === "ERR_VFIO_MEMORY_EXHAUSTED") return errnoOf("ENOMEM");
  return error.code === "ERR_VFIO_CLOSED" ? errnoOf("ENODEV") : errnoOf("EINVAL");
}

function isSystemError(error: object): error is VfioSystemError {
  return "errno" in error && "syscall" in error;
}

// True if the container has been closed. EBADF of mmap is the file's.
function isOfContainer({ code, syscall }: VfioSystemError): boolean {
  return code === "EBADF" && syscall === "ioctl";
}

function checkWindow(window: IovaRange): void {
  checkObject(window, "the window of leases", "an object with start and end");
  const { start, end } = window;
  if (typeof start === "bigint" && typeof end === "bigint" && start >= 0n && start <= end && end < 2n ** 64n)
    return;
  throw new VfioRangeError(
    "ERR_VFIO_LEASES",
    `a window of IOVAs from ${shownValue(start)} to ${shownValue(end)}: both must be bigints of 64 bits, the end not before the start`,
  );
}
