import { constants } from "node:fs";
import { openFile, readStrided, VfioError } from "@vfio/ioctl-native";

const PAGEMAP = "/proc/self/pagemap";
const BASE_PAGE = 4096;
const PAGE_SHIFT = 12n;
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
  const stride = (pageBytes / BASE_PAGE) * ENTRY_BYTES;
  const offset = Number(address / BigInt(BASE_PAGE)) * ENTRY_BYTES;
  const count = bytes / pageBytes;
  const entries = readStrided(pagemap, { offset, stride, width: ENTRY_BYTES, count }, PAGEMAP);
  return Array.from(new BigUint64Array(entries.buffer), (entry, page) => {
    if ((entry & PRESENT) === 0n) throw notPresentError(address + BigInt(page) * BigInt(pageBytes));
    const frame = entry & FRAME_MASK;
    // Since Linux 4.2 a reader without CAP_SYS_ADMIN gets no error, but frame number 0 for every page.
    if (frame === 0n) throw hiddenError();
    return frame << PAGE_SHIFT;
  });
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

function notPresentError(address: bigint): VfioError {
  return new VfioError(
    "ERR_VFIO_PAGE_NOT_PRESENT",
    `the page at 0x${address.toString(16)} is not in memory`,
    {
      hint: "Write to it first, or map it with its pages populated",
    },
  );
}
