import { types } from "node:util";
import { Struct, VfioError, type Extent } from "@vfio/ioctl-native";
import { formatAddress } from "@vfio/ioctl-native/internal";
import { argumentError, checkObject, isList } from "../arguments.js";
import { IovaTable } from "../iova/iova-table.js";

const VERSION = 1;
const SMALLEST_IOMMU_PAGE = 4096n;

const header = new Struct("vfio_dma_memory", 24, {
  version: [0, "u32"],
  segments: [4, "u32"],
  bytes: [8, "u64"],
  pageBytes: [16, "u64"],
});

const segment = new Struct("vfio_dma_segment", 24, {
  offset: [0, "u64"],
  iova: [8, "u64"],
  bytes: [16, "u64"],
});

/** What another process needs, beside the fd, to use DMA memory that is mapped already. */
export interface MemoryDescription {
  readonly bytes: number;
  readonly pageBytes: number;
  readonly table: IovaTable;
}

/**
 * Encodes a description, to be sent with the memory's fd: a header `{ u32 version; u32 segments; u64 bytes; u64
 * pageBytes }`, then for each segment `{ u64 offset; u64 iova; u64 bytes }`, in the machine's byte order. Each extent
 * is one segment, in however many pieces it was mapped.
 * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`.
 */
export function encodeMemoryDescription(description: MemoryDescription): Uint8Array {
  checkObject(description, "a description of memory: { bytes, pageBytes, table },");
  const { bytes, pageBytes, table } = description;
  if (!isList((table as Partial<IovaTable> | undefined)?.extents)) throw argumentError(table, "an IovaTable");
  if (!Number.isSafeInteger(bytes) || !Number.isSafeInteger(pageBytes))
    throw argumentError({ bytes, pageBytes }, "the bytes of memory and of a page, both whole numbers,");
  const segments = table.extents;
  const values = {
    version: VERSION,
    segments: segments.length,
    bytes: BigInt(bytes),
    pageBytes: BigInt(pageBytes),
  };
  const encoded = header.encode(values, header.bytes + segments.length * segment.bytes);
  segments.forEach(({ offset, iova, bytes: length }, index) => {
    const at = header.bytes + index * segment.bytes;
    segment.write(encoded, { offset: BigInt(offset), iova, bytes: BigInt(length) }, at);
  });
  return encoded;
}

/**
 * Decodes a description that came from another process, and checks it: no segment lies outside the memory, off the page
 * borders or in another one's place.
 * @throws VfioError `ERR_VFIO_BAD_MEMORY_DESCRIPTION` if it is malformed, or of another version.
 * @example
 * ```ts
 * import { decodeMemoryDescription, encodeMemoryDescription, IovaTable } from "@vfio/dma";
 *
 * const table = new IovaTable([{ offset: 0, iova: 0x10_0000n, bytes: 8192 }]);
 * const encoded = encodeMemoryDescription({ bytes: 8192, pageBytes: 4096, table });
 *
 * const arrived = decodeMemoryDescription(encoded); // in another process, with the memory's fd
 * console.log(arrived.bytes, arrived.table.iovaOf(4096)); // 8192 1052672n
 * ```
 */
export function decodeMemoryDescription(encoded: Uint8Array): MemoryDescription {
  if (!types.isUint8Array(encoded)) throw badDescription("it is not a Uint8Array");
  if (encoded.length < header.bytes) throw badDescription(`${encoded.length} bytes are too few`);
  const { version, segments, bytes, pageBytes } = header.decode(encoded);
  if (version !== VERSION) throw badDescription(`its version is ${version}, this library's ${VERSION}`);
  checkSizes(bytes, pageBytes);
  const wanted = header.bytes + segments * segment.bytes;
  if (encoded.length !== wanted)
    throw badDescription(`${encoded.length} bytes for ${segments} segments, not ${wanted}`);
  const list = Array.from({ length: segments }, (_, index) =>
    decodeSegment(encoded, index, bytes, pageBytes),
  );
  checkOverlaps(list);
  return {
    bytes: Number(bytes),
    pageBytes: Number(pageBytes),
    table: new IovaTable(list),
  };
}

function decodeSegment(encoded: Uint8Array, index: number, total: bigint, pageBytes: bigint): Extent {
  const { offset, iova, bytes } = segment.decode(encoded, header.bytes + index * segment.bytes);
  if (bytes === 0n || offset + bytes > total)
    throw badDescription(`segment ${index} lies outside the memory`);
  if (offset % pageBytes !== 0n || bytes % pageBytes !== 0n)
    throw badDescription(`segment ${index} is not made of pages`);
  if (iova % SMALLEST_IOMMU_PAGE !== 0n || iova + bytes > 1n << 64n)
    throw badDescription(`segment ${index} has an IOVA where nothing can be mapped, ${formatAddress(iova)}`);
  return { offset: Number(offset), iova, bytes: Number(bytes) };
}

function checkOverlaps(segments: readonly Extent[]): void {
  segments.forEach(({ offset }, index) => {
    const former = segments[index - 1];
    if (former !== undefined && former.offset + former.bytes > offset)
      throw badDescription(`segment ${index} starts before the end of the one before it`);
  });
  const sorted = segments.toSorted((one, other) => (one.iova < other.iova ? -1 : 1));
  sorted.forEach(({ iova }, index) => {
    const former = sorted[index - 1];
    if (former !== undefined && former.iova + BigInt(former.bytes) > iova)
      throw badDescription(`two segments have the same IOVA, ${formatAddress(iova)}`);
  });
}

function badDescription(problem: string): VfioError {
  return new VfioError(
    "ERR_VFIO_BAD_MEMORY_DESCRIPTION",
    `this is not a description of DMA memory: ${problem}`,
  );
}

/** Runs before anything is allocated from numbers that a peer sent. */
function checkSizes(bytes: bigint, pageBytes: bigint): void {
  const pageIsGood = pageBytes >= 4096n && pageBytes <= 1n << 30n && (pageBytes & (pageBytes - 1n)) === 0n;
  if (pageIsGood && bytes > 0n && bytes <= 1n << 46n && bytes % pageBytes === 0n) return;
  throw badDescription(`${bytes} bytes in pages of ${pageBytes}`);
}
