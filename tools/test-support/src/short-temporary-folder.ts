import { mkdtempSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** A Unix socket's path has at most 107 bytes; the folder's name and the tests' files need the rest. */
const LONGEST_BASE = 40;

/**
 * Makes a folder for sockets: where temporary files belong, or in `/tmp` if that path is too long for a socket. The
 * caller removes it.
 * @param prefix of its name, such as "sockets-".
 */
export function shortTemporaryFolder(prefix: string): string {
  const usual = os.tmpdir();
  return mkdtempSync(path.join(Buffer.byteLength(usual) <= LONGEST_BASE ? usual : "/tmp", prefix));
}
