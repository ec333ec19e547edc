import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const NAME = "ioctl-native.node";

/** Where a look-up for the addon ended. */
export interface AddonSearch {
  /** The binary to load, if one is there. */
  readonly binary: string | undefined;
  /** The folder of this package. In a bundle that was carried away from it there is none. */
  readonly packageFolder: string | undefined;
  /** The folder of the file that this code is in, where it was looked for last of all. */
  readonly ownFolder: string;
}

/**
 * Looks for the addon: what was compiled on this machine, then what came with the package, both in the package's folder;
 * then beside the file that this code is in, which in a bundle or a single executable is the program.
 */
export function findAddon(): AddonSearch {
  const file = ownFile() ?? process.execPath;
  const packageFolder = packageFolderFrom(file);
  const ownFolder = path.dirname(file);
  const beside = (): string => path.join(ownFolder, NAME);
  const places =
    packageFolder === undefined
      ? [beside]
      : [() => ownBuild(packageFolder), () => prebuilt(packageFolder), beside];
  for (const place of places) {
    const binary = place();
    if (existsSync(binary)) return { binary, packageFolder, ownFolder };
  }
  return { binary: undefined, packageFolder, ownFolder };
}

/** `linux-x64-glibc`: the folder of the binary that came with the package. */
export function platformName(): string {
  return process.platform === "linux"
    ? `linux-${process.arch}-${libc()}`
    : `${process.platform}-${process.arch}`;
}

/**
 * The file that this code is in. CommonJS, which bundlers make of it, and single executables have `__filename`. It goes
 * first: `import.meta.url` is nothing there (esbuild), or the source's path on the machine that bundled (webpack), where
 * on this one somebody else's files may lie.
 */
function ownFile(): string | undefined {
  if (typeof __filename === "string" && path.isAbsolute(__filename)) return __filename;
  const url: unknown = import.meta.url;
  return typeof url === "string" && url.startsWith("file:") ? fileURLToPath(url) : undefined;
}

/** `createRequire` is not imported: webpack would take the name for a module of the bundle, and make a number of it. */
function packageFolderFrom(file: string): string | undefined {
  try {
    const { createRequire } = process.getBuiltinModule("node:module");
    return path.dirname(createRequire(file).resolve("@vfio/ioctl-native/package.json"));
  } catch {
    return undefined;
  }
}

/** What somebody compiled from this package's sources, on this machine. */
function ownBuild(folder: string): string {
  return path.join(folder, "native/build", `${process.platform}-${process.arch}`, NAME);
}

function prebuilt(folder: string): string {
  return path.join(folder, "prebuilds", platformName(), NAME);
}

/** Asked of the process itself: a machine can have both, and either can run Node.js. */
function libc(): "glibc" | "musl" {
  const mapped = readFileSync("/proc/self/maps", "utf8");
  return /(\/ld-musl-[^/]+|-linux-musl\/libc\.so)$/m.test(mapped) ? "musl" : "glibc";
}
