import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { isErrno } from "./is-errno.js";

/**
 * Makes a folder and its parents. Node's recursive mkdir() never ends where the kernel answers ENOENT in spite of an
 * existing parent, as everywhere below /proc.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await make(folder);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    await makeFolder(path.dirname(folder));
    await make(folder);
  }
}

async function make(folder: string): Promise<void> {
  await mkdir(folder).catch(async (error: unknown) => {
    if (!isErrno(error, "EEXIST") || !(await stat(folder)).isDirectory()) throw error;
  });
}
