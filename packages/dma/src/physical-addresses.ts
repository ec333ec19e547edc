import { constants } from "node:fs";
import { openFile, readStrided, VfioError } from "@vfio/ioctl-native";
import { argumentError } from "./arguments.js";
import { bigIntOf, HIGH, LOW } from "./halves.js";

const PAGEMAP = "/proc/self/pagemap";
const BASE_PAGE = 4096;
const ENTRY_BYTES = 8;
/** Documentation/admin-guide/mm/pagemap.rst: bits 0–54 are the page frame number, bit 63 tells that the page is there. */
const FRAME_MASK = 0x007f_ffff;
const PRESENT = 1 << 31;

/**
 * The physical address of every page of a memory range, from `/proc/self/pagemap`.
 *
 * They stay true only while the pages cannot move. The kernel moves ordinary pages as it likes, and hugepages where
 * memory is taken offline (hot-unplug, `soft_offline_page` after correctable errors) or a policy asks for it (`mbind`,
 * `move_pages`). What is mapped for DMA is pinned, and stays.
 * @param address the range's first virtual address; a multiple of `pageBytes`.
 * @param bytes its length; a multiple of `pageBytes`.
 * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`; VfioError `ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN` without CAP_SYS_ADMIN, `ERR_VFIO_PAGE_NOT_PRESENT`;
 * VfioSystemError if pagemap cannot be read at all.
 */
export function readPhysicalAddresses(address: bigint, bytes: number, pageBytes: number): bigint[] {
  if (typeof address !== "bigint") throw argumentError(address, "a bigint as an address");
  for (const each of [bytes, pageBytes])
    if (!Number.isSafeInteger(each) || each < 1) throw argumentError(each, "a number of bytes");
  using pagemap = openFile(PAGEMAP, { flags: constants.O_RDONLY, hint: () => HIDDEN_HINT });
  const stride = (pageBytes / BASE_PAGE) * ENTRY_BYTES;
  const offset = Number(address / BigInt(BASE_PAGE)) * ENTRY_BYTES;
  const count = bytes / pageBytes;
  const entries = readStrided(pagemap, { offset, stride, width: ENTRY_BYTES, count }, PAGEMAP);
  // In halves, since a page frame number has 40 bits and BigInt arithmetic would be most of the work.
  const halves = new Uint32Array(entries.buffer);
  const addresses = new Array<bigint>(count);
  for (let page = 0; page < count; page++) {
    const low = halves[page * 2 + LOW] ?? 0;
    const high = halves[page * 2 + HIGH] ?? 0;
    if ((high & PRESENT) === 0) throw notPresentError(address + BigInt(page) * BigInt(pageBytes));
    const frame = (high & FRAME_MASK) * 2 ** 32 + low;
    // Since Linux 4.2 a reader without CAP_SYS_ADMIN gets no error, but frame number 0 for every page.
    if (frame === 0) throw hiddenError();
    addresses[page] = bigIntOf(frame * BASE_PAGE);
  }
  return addresses;
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
