import { mkdtempSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** A Unix socket's path has at most 107 bytes; the folder's own name and what the tests put into it need the rest. */
const LONGEST_BASE = 40;

/**
 * Makes a folder in which sockets can lie: where temporary files belong, or in `/tmp` if that place's path is so long
 * that a socket's would not fit. Whoever makes it removes it.
 * @param prefix what its name begins with, such as "sockets-".
 */
export function shortTemporaryFolder(prefix: string): string {
  const usual = os.tmpdir();
  return mkdtempSync(path.join(Buffer.byteLength(usual) <= LONGEST_BASE ? usual : "/tmp", prefix));
}
