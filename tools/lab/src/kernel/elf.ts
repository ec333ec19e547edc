const PROGRAM_HEADER_INTERPRETER = 3;

/** Whether a 64-bit ELF program needs no dynamic loader, by the start of its file. */
export function isStaticElf(start: Buffer): boolean {
  if (start.length < 64 || start.readUInt32BE(0) !== 0x7f454c46) return false;
  const tableOffset = Number(start.readBigUInt64LE(32));
  const entrySize = start.readUInt16LE(54);
  const entryCount = start.readUInt16LE(56);
  for (let index = 0; index < entryCount; index++) {
    const entry = tableOffset + index * entrySize;
    if (entry + 4 <= start.length && start.readUInt32LE(entry) === PROGRAM_HEADER_INTERPRETER) return false;
  }
  return true;
}
