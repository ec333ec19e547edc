import { errnoOf, VfioSystemError } from "@vfio/ioctl-native";
import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { closedError } from "@vfio/ioctl-native/internal";
import { beforeEach } from "vitest";
import {
  DmaMapper,
  type AddressSpace,
  type DmaAccess,
  type IovaMode,
  type MapMemoryOptions,
  type MappableMemory,
} from "../src/index.js";

/** An IOMMU that remembers what is mapped, and can be told to fail. */
export class FakeIommu implements AddressSpace {
  readonly kind = "emulated";
  forgets: AddressSpace["forgets"] = "with-last-group";
  readonly mapped = new Map<bigint, number>();
  readonly calls: string[] = [];
  failAt: bigint | undefined;
  unmapsOnly: number | undefined;
  /** True: its owner has closed the container. */
  closed = false;
  /** Unmapping this address fails. */
  unmapFailsAt: bigint | undefined;
  /** The end of the usable range, itself included. */
  lastAddress = 0xff_ffffn;
  /** False: the container has no group. */
  ready = true;
  readonly #listeners = new Set<() => void>();

  constructor(given: Partial<FakeIommu> = {}) {
    Object.assign(this, given);
  }

  onGroupAdded(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  groupJoins(): void {
    this.ready = true;
    for (const listener of this.#listeners) listener();
  }

  lastGroupLeaves(): void {
    this.ready = false;
    this.mapped.clear();
  }

  limits(): IommuInfo | undefined {
    if (this.closed) throw closedError("the fake container");
    if (!this.ready) return undefined;
    return {
      pageSizes: 0x1000n,
      smallestPage: 4096,
      iovaRanges: [{ start: 0n, end: this.lastAddress }],
      mappingsLeft: 10,
    };
  }

  /** One piece with each call. */
  map(...[memory, offset, bytes, iova, access, pieceBytes = bytes]: Parameters<AddressSpace["map"]>): number {
    const piece = Math.min(bytes, pieceBytes);
    this.mapPiece(memory.address + BigInt(offset), iova, piece, access);
    return piece;
  }

  protected mapPiece(address: bigint, iova: bigint, bytes: number, access: DmaAccess): void {
    this.#checkReady();
    if (iova + BigInt(bytes) - 1n > this.lastAddress) throw refusal("EINVAL");
    if (iova === this.failAt) throw new Error("the IOMMU refuses");
    for (const [start, length] of this.mapped) {
      if (iova < start + BigInt(length) && iova + BigInt(bytes) > start) throw refusal("EEXIST");
    }
    this.calls.push(`${address.toString(16)} → ${iova.toString(16)} ${bytes} ${access}`);
    this.mapped.set(iova, bytes);
  }

  unmap(iova: bigint, bytes: number): number {
    this.#checkReady();
    if (iova === this.unmapFailsAt) throw refusal("EIO");
    let unmapped = 0;
    for (const [start, length] of [...this.mapped]) {
      if (start < iova || start + BigInt(length) > iova + BigInt(bytes)) continue;
      this.mapped.delete(start);
      unmapped += length;
    }
    return this.unmapsOnly ?? unmapped;
  }

  #checkReady(): void {
    if (this.closed) throw closedError("the fake container");
    if (!this.ready) throw refusal("EINVAL");
  }
}

/** An IOMMU that maps up to so many pieces with one call. */
export class ManyAtOnce extends FakeIommu {
  readonly asked: string[] = [];

  constructor(readonly most: number) {
    super();
  }

  override map(
    ...[memory, offset, bytes, iova, access, pieceBytes = bytes]: Parameters<AddressSpace["map"]>
  ): number {
    const address = memory.address + BigInt(offset);
    this.asked.push(`${iova.toString(16)} ${bytes}`);
    const end = Math.min(bytes, this.most * pieceBytes);
    for (let at = 0; at < end; at += pieceBytes) {
      try {
        this.mapPiece(address + BigInt(at), iova + BigInt(at), Math.min(pieceBytes, bytes - at), access);
      } catch (error) {
        if (at === 0) throw error;
        return at;
      }
    }
    return end;
  }
}

function refusal(name: "EINVAL" | "EEXIST" | "EIO"): VfioSystemError {
  return new VfioSystemError(errnoOf(name), { syscall: "ioctl", what: "the fake IOMMU refuses" });
}

const FIRST_ADDRESS = 0x7000_0000n;
let nextAddress = FIRST_ADDRESS;
beforeEach(() => {
  nextAddress = FIRST_ADDRESS;
});

/** Memory whose physical addresses are given; each lies in a place of its own in the process. */
export function memoryAt(
  physical: readonly bigint[],
  pageBytes = 4096,
): MappableMemory & { readonly holds: Set<string> } {
  const holds = new Set<string>();
  const address = nextAddress;
  nextAddress += BigInt((physical.length + 1) * pageBytes);
  return {
    holds,
    pageBytes,
    bytes: physical.length * pageBytes,
    address,
    physicalAddresses: () => [...physical],
    hold: (reason) => (holds.add(reason), { [Symbol.dispose]: () => void holds.delete(reason) }),
  };
}

/** A mapper, on an IOMMU where nothing is mapped unless the test made one. */
export function mapperOn<I extends FakeIommu = FakeIommu>(
  iova: IovaMode,
  iommu = new FakeIommu() as I,
): { iommu: I; mapper: DmaMapper } {
  return { iommu, mapper: new DmaMapper(iommu, { iova }) };
}

/** As {@link mapperOn}, with a memory that is mapped: its pages have these physical addresses. */
export function mapped<I extends FakeIommu = FakeIommu>(
  physical: readonly bigint[],
  iova: IovaMode,
  options: MapMemoryOptions = {},
  iommu = new FakeIommu() as I,
) {
  const { mapper } = mapperOn(iova, iommu);
  const memory = memoryAt(physical);
  return { iommu, mapper, memory, mapping: mapper.map(memory, options) };
}
