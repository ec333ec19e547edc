/** The binaries that are published with @vfio/ioctl-native. */
import { execFileSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../../..");

/**
 * Compiles them for every platform, if the sources are not those of the last time.
 * @returns {string} the folder they are in: one folder for each platform.
 */
export function prebuilds() {
  const nx = path.join(root, "node_modules/.bin/nx");
  execFileSync(nx, ["run", "@vfio/ioctl-native:prebuilds"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return path.join(root, "packages/ioctl-native/prebuilds");
}
