import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { VfioError } from "./errors.js";

/**
 * Loads the compiled part, on first use and not on import: types and pure functions work on every platform.
 * @throws VfioError `ERR_VFIO_ADDON_UNAVAILABLE` if there is no binary for this platform, or it does not load.
 */
export function loadAddon(): unknown {
  const require = createRequire(import.meta.url);
  const root = path.dirname(require.resolve("@vfio/ioctl-native/package.json"));
  const platform = `${process.platform}-${process.arch}`;
  const binary = path.join(root, "prebuilds", platform, "ioctl-native.node");

  if (process.platform !== "linux") throw unavailable(`VFIO is a part of Linux, and this is ${platform}`);
  if (!existsSync(binary)) throw unavailable(`there is no compiled addon for ${platform} at ${binary}`);
  try {
    return require(binary);
  } catch (error) {
    throw unavailable(`the compiled addon ${binary} does not load`, error);
  }
}

function unavailable(message: string, cause?: unknown): VfioError {
  return new VfioError("ERR_VFIO_ADDON_UNAVAILABLE", message, {
    hint: "Types, constants and struct codecs of this package work without it",
    cause,
  });
}
