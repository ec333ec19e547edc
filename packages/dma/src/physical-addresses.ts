import { constants } from "node:fs";
import { openFile, readAt, VfioError, type Fd } from "@vfio/ioctl-native";

const PAGEMAP = "/proc/self/pagemap";
const BASE_PAGE = 4096n;
const ENTRY_BYTES = 8;
/** Bits 0–54: the page frame number. Documentation/admin-guide/mm/pagemap.rst */
const FRAME_MASK = (1n << 55n) - 1n;
const PRESENT = 1n << 63n;

/**
 * The physical address of every page of a memory range, from `/proc/self/pagemap`.
 *
 * They stay true only while the pages cannot move: hugepages don't, ordinary pages do unless they are pinned.
 * @param address the range's first virtual address; a multiple of `pageBytes`.
 * @param bytes its length; a multiple of `pageBytes`.
 * @throws VfioError `ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN` without CAP_SYS_ADMIN, `ERR_VFIO_PAGE_NOT_PRESENT`;
 * VfioSystemError if pagemap cannot be read at all.
 */
export function readPhysicalAddresses(address: bigint, bytes: number, pageBytes: number): bigint[] {
  using pagemap = openFile(PAGEMAP, { flags: constants.O_RDONLY, hint: () => HIDDEN_HINT });
  const pages = bytes / pageBytes;
  return Array.from({ length: pages }, (_, index) =>
    readFrame(pagemap, address + BigInt(index) * BigInt(pageBytes)),
  );
}

function readFrame(pagemap: Fd, virtual: bigint): bigint {
  const offset = Number(virtual / BASE_PAGE) * ENTRY_BYTES;
  const bytes = readAt(pagemap, offset, ENTRY_BYTES, PAGEMAP);
  const entry = new DataView(bytes.buffer).getBigUint64(0, true);
  if ((entry & PRESENT) === 0n) {
    throw new VfioError(
      "ERR_VFIO_PAGE_NOT_PRESENT",
      `the page at 0x${virtual.toString(16)} is not in memory`,
    );
  }
  const frame = entry & FRAME_MASK;
  // Since Linux 4.2 a reader without CAP_SYS_ADMIN gets no error, but frame number 0 for every page.
  if (frame === 0n) throw hiddenError();
  return frame * BASE_PAGE;
}

const HIDDEN_HINT =
  'Run as root or with CAP_SYS_ADMIN, or use an IOVA mode that needs no physical addresses: { iova: "virtual" }';

function hiddenError(): VfioError {
  return new VfioError(
    "ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN",
    `the kernel hides physical addresses in ${PAGEMAP}`,
    {
      hint: HIDDEN_HINT,
    },
  );
}
