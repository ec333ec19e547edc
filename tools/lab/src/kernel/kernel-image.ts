export interface CompressedKernel {
  readonly program: "zstd" | "xz";
  readonly bytes: Buffer;
}

const BOOT_SECTOR = 512;
const SETUP_SECTORS = 0x1f1;
const HEADER_MAGIC = 0x202;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** The build appends the uncompressed size, four bytes, to the payload; the unpacking programs take it for damage. */
const SIZE_TRAILER = 4;

/**
 * Finds the compressed kernel in a bzImage (Documentation/arch/x86/boot.rst); `undefined` for an unknown compression.
 * QEMU starts the unpacked kernel by its PVH entry; unpacking it on the emulated processor would take seconds.
 */
export function compressedKernel(bzImage: Buffer): CompressedKernel | undefined {
  if (bzImage.length < 0x250 || bzImage.toString("latin1", HEADER_MAGIC, HEADER_MAGIC + 4) !== "HdrS")
    return undefined;
  const protectedMode = (bzImage.readUInt8(SETUP_SECTORS) + 1) * BOOT_SECTOR;
  const start = protectedMode + bzImage.readUInt32LE(PAYLOAD_OFFSET);
  const bytes = bzImage.subarray(start, start + bzImage.readUInt32LE(PAYLOAD_LENGTH) - SIZE_TRAILER);
  const program = packer(bytes);
  return program && { program, bytes };
}

function packer(bytes: Buffer): CompressedKernel["program"] | undefined {
  const magic = bytes.toString("hex", 0, 6);
  if (magic.startsWith("28b52ffd")) return "zstd";
  return magic === "fd377a585a00" ? "xz" : undefined;
}
