/** A file in an initrd. Its parent folders are made automatically. */
export interface CpioFile {
  /** Without a leading slash. */
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

const FOLDER = 0o040755;
const REGULAR = 0o100000;

/**
 * An archive in the "newc" format, which the kernel unpacks
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
export function cpioArchive(files: readonly CpioFile[], emptyFolders: readonly string[]): Buffer {
  const folders = new Set([...emptyFolders, ...files.flatMap((file) => foldersAbove(file.path))]);
  const entries = [
    ...[...folders].map((folder) => ({ path: folder, mode: FOLDER, content: Buffer.alloc(0) })),
    ...files.map((file) => ({ ...file, mode: REGULAR | file.mode })),
    { path: "TRAILER!!!", mode: 0, content: Buffer.alloc(0) },
  ];
  return Buffer.concat(entries.flatMap((entry, index) => [header(entry, index + 1), padded(entry.content)]));
}

function foldersAbove(file: string): string[] {
  const parts = file.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function header(entry: CpioFile, inode: number): Buffer {
  const name = `${entry.path}\0`;
  const fields = [
    ...[inode, entry.mode, 0, 0, 1, 0, entry.content.length],
    ...[0, 0, 0, 0, Buffer.byteLength(name), 0],
  ];
  const hex = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return padded(Buffer.from(`070701${hex}${name}`));
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
