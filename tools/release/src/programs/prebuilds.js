import { existsSync } from "node:fs";
import path from "node:path";

const folder = path.resolve(import.meta.dirname, "../../../../packages/ioctl-native/prebuilds");

/**
 * One folder for each platform. Nx compiles them before the targets that need them; a test would compile into a folder
 * that another test reads.
 * @returns {string}
 * @throws {Error} with the command to type, if they are missing.
 */
export function prebuilds() {
  if (existsSync(folder)) return folder;
  throw new Error(
    "The addon is not compiled for every platform. Type: npx nx run @vfio/ioctl-native:prebuilds",
  );
}
