import {
  VfioRangeError,
  type BulkAccess,
  type RegionWindow,
  type RegisterAccess,
  type RegisterArray,
  type RegisterFunctions,
  type RegisterWidth,
} from "@vfio/ioctl-native";
import type { MappableArea } from "@vfio/ioctl-native/vfio";
import type { RegionShape } from "./region-parts.js";
import { checkBlock, checkSpan } from "./register-array.js";
import { registerWidthError } from "../registers/register-value.js";

type Window = Pick<RegionWindow, "offset" | "bytes" | keyof RegisterAccess>;

/** Neighbouring elements of a block that lie in one window. */
interface Piece {
  readonly window: Window;
  readonly offset: number;
  readonly from: number;
  readonly to: number;
}

/** A region of which only windows are mapped; the rest is accessed in another way, or not at all. */
export class WindowedAccesses implements RegisterAccess, BulkAccess {
  readonly registers: RegisterFunctions;
  readonly bulk = this;
  readonly #shape: RegionShape;
  readonly #windows: readonly Window[];
  readonly #rest: Window | undefined;

  /** @param rest accesses outside the windows; without it, they are `ERR_VFIO_REGION_HOLE`. */
  constructor(shape: RegionShape, windows: readonly Window[], rest?: RegisterAccess) {
    this.#shape = shape;
    this.#windows = windows.map((window) => windowAt(window, window));
    this.#rest = rest && windowAt({ offset: 0, bytes: shape.bytes }, rest);
    this.registers = this.#routed();
  }

  readBlock(offset: number, target: RegisterArray): void {
    for (const { window, offset: start, from, to } of this.#pieces(offset, target))
      window.bulk.readBlock(start, target.subarray(from, to));
  }

  writeBlock(offset: number, source: RegisterArray): void {
    for (const { window, offset: start, from, to } of this.#pieces(offset, source))
      window.bulk.writeBlock(start, source.subarray(from, to));
  }

  readFifo(offset: number, target: RegisterArray): void {
    const window = this.#find(offset, checkBlock(offset, target, true, this.#shape).width);
    window.bulk.readFifo(offset - window.offset, target);
  }

  writeFifo(offset: number, source: RegisterArray): void {
    const window = this.#find(offset, checkBlock(offset, source, true, this.#shape).width);
    window.bulk.writeFifo(offset - window.offset, source);
  }

  readHalves(offset: number, halves: Uint32Array): void {
    const window = this.#find(offset, 8);
    window.bulk.readHalves(offset - window.offset, halves);
  }

  writeHalves(offset: number, low: number, high: number): void {
    const window = this.#find(offset, 8);
    window.bulk.writeHalves(offset - window.offset, low, high);
  }

  poll(offset: number, width: 8 | 16 | 32, mask: number, wanted: number, microseconds: number): number;
  poll(offset: number, width: 64, mask: bigint, wanted: bigint, microseconds: number): bigint;
  poll(
    offset: number,
    width: RegisterWidth,
    mask: number | bigint,
    wanted: number | bigint,
    microseconds: number,
  ): number | bigint {
    const window = this.#find(offset, width / 8);
    return window.bulk.poll(
      offset - window.offset,
      width as 32,
      mask as number,
      wanted as number,
      microseconds,
    );
  }

  #routed(): RegisterFunctions {
    const find = (offset: number, width: number): Window => this.#find(offset, width);
    return {
      read8(offset) {
        const window = find(offset, 1);
        return window.registers.read8(offset - window.offset);
      },
      read16(offset) {
        const window = find(offset, 2);
        return window.registers.read16(offset - window.offset);
      },
      read32(offset) {
        const window = find(offset, 4);
        return window.registers.read32(offset - window.offset);
      },
      read64(offset) {
        const window = find(offset, 8);
        return window.registers.read64(offset - window.offset);
      },
      write8(offset, value) {
        const window = find(offset, 1);
        window.registers.write8(offset - window.offset, value);
      },
      write16(offset, value) {
        const window = find(offset, 2);
        window.registers.write16(offset - window.offset, value);
      },
      write32(offset, value) {
        const window = find(offset, 4);
        window.registers.write32(offset - window.offset, value);
      },
      write64(offset, value) {
        const window = find(offset, 8);
        window.registers.write64(offset - window.offset, value);
      },
    };
  }

  #find(offset: number, width: number): Window {
    checkSpan(offset, width, 1, this.#shape);
    for (const window of this.#windows) {
      if (offset >= window.offset && offset + width <= window.offset + window.bytes) return window;
    }
    if (this.#rest === undefined) throw notMappedError(offset, this.#windows, this.#shape.name);
    return this.#rest;
  }

  /** All pieces are found before any access: a hole, or missing 64-bit access, must not leave a block half done. */
  #pieces(offset: number, block: RegisterArray): Piece[] {
    const { width, count } = checkBlock(offset, block, false, this.#shape);
    const pieces: Piece[] = [];
    for (let from = 0; from < count;) {
      const window = this.#find(offset + from * width, width);
      if (window === this.#rest && width === 8) throw registerWidthError(this.#shape.name);
      let to = from + 1;
      while (to < count && this.#find(offset + to * width, width) === window) to++;
      pieces.push({ window, offset: offset + from * width - window.offset, from, to });
      from = to;
    }
    return pieces;
  }
}

/** All of one shape: V8 then looks up a window without checking its type. */
function windowAt({ offset, bytes }: MappableArea, { registers, bulk }: RegisterAccess): Window {
  return { offset, bytes, registers, bulk };
}

/** Names what is mapped, for an access elsewhere. */
export function notMappedError(
  offset: number,
  windows: readonly MappableArea[],
  name: string,
  hint = "open() instead of map() reaches the rest by pread and pwrite",
): VfioRangeError {
  const mapped = windows.map(({ offset: from, bytes }) => `[${hex(from)}, ${hex(from + bytes - 1)}]`);
  return new VfioRangeError(
    "ERR_VFIO_REGION_HOLE",
    `offset ${hex(offset)} of ${name} is not mapped; the mapped parts: ${mapped.join(", ") || "none"}`,
    { hint },
  );
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}
