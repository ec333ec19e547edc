import { existsSync, readFileSync } from "node:fs";
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
  const binary = process.env["VFIO_IOCTL_NATIVE_ADDON"] ?? ownBuild(root) ?? prebuilt(root);
  try {
    return require(path.resolve(binary));
  } catch (error) {
    throw unavailable(`the compiled addon ${binary} does not load`, error);
  }
}

/** What somebody compiled from this package's sources, on this machine. */
function ownBuild(root: string): string | undefined {
  const binary = path.join(root, "native/build", `${process.platform}-${process.arch}`, "ioctl-native.node");
  return existsSync(binary) ? binary : undefined;
}

function prebuilt(root: string): string {
  if (process.platform !== "linux")
    throw unavailable(`VFIO is a part of Linux, and this is ${process.platform}-${process.arch}`);
  const platform = `linux-${process.arch}-${libc()}`;
  const binary = path.join(root, "prebuilds", platform, "ioctl-native.node");
  if (!existsSync(binary)) throw unavailable(`there is no compiled addon for ${platform} at ${binary}`);
  return binary;
}

/** Asked of the process itself: a machine can have both, and either can run Node.js. */
function libc(): "glibc" | "musl" {
  const mapped = readFileSync("/proc/self/maps", "utf8");
  return /(\/ld-musl-[^/]+|-linux-musl\/libc\.so)$/m.test(mapped) ? "musl" : "glibc";
}

function unavailable(message: string, cause?: unknown): VfioError {
  return new VfioError("ERR_VFIO_ADDON_UNAVAILABLE", message, {
    hint: "Types, constants and struct codecs of this package work without it; `npx ioctl-native` compiles it on Linux",
    cause,
  });
}
