import { constants } from "node:fs";
import { errnoOf, openFile, readStrided, systemPageBytes, VfioError } from "@vfio/ioctl-native";
import { bigIntOf, formatAddress, HIGH_WORD, LOW_WORD, undo } from "@vfio/ioctl-native/internal";
import { argumentError, isCount } from "../arguments.js";

const PAGEMAP = "/proc/self/pagemap";
const ENTRY_BYTES = 8;
/** Documentation/admin-guide/mm/pagemap.rst: bits 0–54 are the page frame number, bit 63 tells that the page is there. */
const FRAME_MASK = 0x007f_ffff;
const PRESENT = 1 << 31;

/**
 * The physical address of every page of a memory range, from `/proc/self/pagemap`.
 *
 * They hold only while the pages cannot move. The kernel moves ordinary pages at will, and hugepages when memory goes
 * offline (hot-unplug, `soft_offline_page` after correctable errors) or a policy asks for it (`mbind`, `move_pages`).
 * Memory mapped for DMA is pinned, and stays.
 * @param address the range's first virtual address; a multiple of `pageBytes`.
 * @param bytes its length; a multiple of `pageBytes`.
 * @throws VfioError `ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN` without CAP_SYS_ADMIN, `ERR_VFIO_PAGE_NOT_PRESENT`;
 * VfioRangeError `ERR_VFIO_DMA_ARGUMENT` unless the range is whole pages; VfioSystemError if pagemap cannot be read at
 * all.
 */
export function readPhysicalAddresses(address: bigint, bytes: number, pageBytes: number): bigint[] {
  const basePage = systemPageBytes();
  checkRange(address, bytes, pageBytes, basePage);
  // pagemap has an entry for each ordinary page, also within a hugepage.
  const stride = (pageBytes / basePage) * ENTRY_BYTES;
  const offset = Number(address / BigInt(basePage)) * ENTRY_BYTES;
  const count = bytes / pageBytes;
  const entries = readPagemap(offset, stride, count);
  // In halves: a page frame number has 40 bits, and BigInt arithmetic would be most of the work.
  const halves = new Uint32Array(entries.buffer);
  const addresses = new Array<bigint>(count);
  for (let page = 0; page < count; page++) {
    const low = halves[page * 2 + LOW_WORD] ?? 0;
    const high = halves[page * 2 + HIGH_WORD] ?? 0;
    if ((high & PRESENT) === 0) throw notPresentError(address + BigInt(page) * BigInt(pageBytes));
    const frame = (high & FRAME_MASK) * 2 ** 32 + low;
    // Since Linux 4.2 a reader without CAP_SYS_ADMIN gets no error, but frame number 0 for every page.
    if (frame === 0) throw hiddenError();
    addresses[page] = bigIntOf(frame * basePage);
  }
  return addresses;
}

function readPagemap(offset: number, stride: number, count: number): Uint8Array {
  const pagemap = openFile(PAGEMAP, { flags: constants.O_RDONLY, hint: openHint });
  let entries: Uint8Array;
  try {
    entries = readStrided(pagemap, { offset, stride, width: ENTRY_BYTES, count }, PAGEMAP);
  } catch (error) {
    undo(error, [() => pagemap.close()]);
  }
  pagemap.close();
  return entries;
}

const HIDDEN_HINT =
  'Run as root or with CAP_SYS_ADMIN, or use an IOVA mode that needs no physical addresses: { iova: "virtual" }';

function openHint(errno: number): string | undefined {
  if (errno === errnoOf("EACCES") || errno === errnoOf("EPERM")) return HIDDEN_HINT;
  if (errno !== errnoOf("ENOENT")) return undefined;
  return "Either /proc is not mounted, or the kernel was built without CONFIG_PROC_PAGE_MONITOR";
}

function checkRange(address: unknown, bytes: unknown, pageBytes: unknown, basePage: number): void {
  const isPage = isCount(pageBytes) && pageBytes % basePage === 0;
  const isSpan = typeof address === "bigint" && address >= 0n && isCount(bytes);
  if (isPage && isSpan && bytes % pageBytes === 0 && address % bigIntOf(pageBytes) === 0n) return;
  const expected = `whole pages (of ${basePage} bytes or a multiple of that) at a bigint as address`;
  throw argumentError({ address, bytes, pageBytes }, expected);
}

function hiddenError(): VfioError {
  const problem = `the kernel hides physical addresses in ${PAGEMAP}`;
  return new VfioError("ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN", problem, { hint: HIDDEN_HINT });
}

function notPresentError(address: bigint): VfioError {
  const hint = "Write to it first, or map it with its pages populated";
  return new VfioError(
    "ERR_VFIO_PAGE_NOT_PRESENT",
    `the page at ${formatAddress(address)} is not in memory`,
    {
      hint,
    },
  );
}
