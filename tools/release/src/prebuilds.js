/** The binaries that are published with @vfio/ioctl-native. */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { ensureDebianPackages } from "./debian.js";

const root = path.resolve(import.meta.dirname, "../../..");

const CROSS_COMPILERS = {
  "g++": "g++",
  "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
  "/usr/include/x86_64-linux-musl/stdio.h": "musl-dev",
};

/**
 * Compiles them for every platform, if the sources are not those of the last time.
 * @returns {string} the folder they are in: one folder for each platform.
 */
export function prebuilds() {
  ensureDebianPackages(CROSS_COMPILERS, "Compiling the addon for every platform");
  const nx = path.join(root, "node_modules/.bin/nx");
  execFileSync(nx, ["run", "@vfio/ioctl-native:prebuilds"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return path.join(root, "packages/ioctl-native/prebuilds");
}
