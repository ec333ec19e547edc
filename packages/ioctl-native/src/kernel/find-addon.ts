import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const NAME = "ioctl-native.node";

export interface AddonSearch {
  readonly binary: string | undefined;
  /** This package's folder; none in a bundle that was moved away from it. */
  readonly packageFolder: string | undefined;
  /** The folder of the file with this code, the last place to look. */
  readonly ownFolder: string;
}

/**
 * Looks for the addon in the package's folder (first the binary compiled on this machine, then the one that came with
 * the package), then beside the file with this code: in a bundle or a single executable, that is the program.
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
 * The file with this code. CommonJS (bundles) and single executables have `__filename`, which goes first: there
 * `import.meta.url` is undefined (esbuild), or a path of the machine that bundled (webpack), where this machine may
 * have other people's files.
 */
function ownFile(): string | undefined {
  if (typeof __filename === "string" && path.isAbsolute(__filename)) return __filename;
  const url: unknown = import.meta.url;
  return typeof url === "string" && url.startsWith("file:") ? fileURLToPath(url) : undefined;
}

/**
 * `createRequire` is not imported: webpack would take the name for a module of the bundle, and turn it into a number.
 */
function packageFolderFrom(file: string): string | undefined {
  try {
    const { createRequire } = process.getBuiltinModule("node:module");
    return path.dirname(createRequire(file).resolve("@vfio/ioctl-native/package.json"));
  } catch {
    return undefined;
  }
}

/** The binary compiled on this machine from this package's sources. */
function ownBuild(folder: string): string {
  return path.join(folder, "native/build", `${process.platform}-${process.arch}`, NAME);
}

function prebuilt(folder: string): string {
  return path.join(folder, "prebuilds", platformName(), NAME);
}

/** Asks the process itself: a machine can have both, and either can run Node.js. */
function libc(): "glibc" | "musl" {
  const mapped = readFileSync("/proc/self/maps", "utf8");
  return /(\/ld-musl-[^/]+|-linux-musl\/libc\.so)$/m.test(mapped) ? "musl" : "glibc";
}
