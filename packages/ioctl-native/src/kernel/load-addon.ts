import path from "node:path";
import { isVfioError, messageOf, VfioError, type Hint } from "../errors/errors.js";
import { findAddon, platformName, type AddonSearch } from "./find-addon.js";
import { keepGuarding, type Guard } from "./keep-guarding.js";
import { runtimeName } from "./runtime.js";

const VARIABLE = "VFIO_IOCTL_NATIVE_ADDON";

/**
 * Loads the addon on first use, not on import: types and pure functions work on every platform.
 * @throws VfioError `ERR_VFIO_ADDON_UNAVAILABLE` if there is no binary for this platform, or it does not load.
 */
export function loadAddon(): unknown {
  let binary = "";
  try {
    binary = named() ?? found();
    return loaded.get(binary) ?? load(binary);
  } catch (error) {
    if (isVfioError(error)) throw error;
    const which = binary === "" ? "" : ` ${binary}`;
    const message = `the compiled addon${which} does not load: ${messageOf(error)}`;
    throw unavailable(message, hintOf(error, binary), error);
  }
}

const loaded = new Map<string, unknown>();

/** Not by `require()`, which would run a file of any other extension as JavaScript. */
function load(binary: string): unknown {
  const addon = { exports: {} as Guard };
  process.dlopen(addon, binary);
  loaded.set(binary, addon.exports);
  keepGuarding(addon.exports);
  return addon.exports;
}

/** The user's choice of a binary. An empty name is none. */
function named(): string | undefined {
  const name = process.env[VARIABLE];
  return name === undefined || name === "" ? undefined : path.resolve(name);
}

function found(): string {
  const search = findAddon();
  if (search.binary !== undefined) return search.binary;
  if (process.platform !== "linux")
    throw unavailable(`VFIO is a part of Linux, and this is ${platformName()}`, COMPILE_HINT);
  throw missing(search);
}

const WITHOUT_IT = "Types, constants and struct codecs of this package work without it";
const COMPILE_HINT = `${WITHOUT_IT}; \`npx ioctl-native\` compiles it on Linux`;

function missing({ packageFolder, ownFolder }: AddonSearch): VfioError {
  const platform = platformName();
  if (packageFolder !== undefined) {
    const place = path.join(packageFolder, "prebuilds", platform);
    return unavailable(
      `there is no compiled addon for ${platform} at ${place}`,
      restriction() ?? COMPILE_HINT,
    );
  }
  return unavailable(
    `there is no compiled addon: the package @vfio/ioctl-native is not installed where this program is (${ownFolder})`,
    restriction() ??
      `Bundlers do not include it: copy its prebuilds/${platform}/ioctl-native.node into ${ownFolder}, ` +
        `or name it in ${VARIABLE}, or leave @vfio/ioctl-native out of the bundle (external) and install it there`,
  );
}

function hintOf(error: unknown, binary: string): string {
  const text = messageOf(error);
  const isNamed = binary !== "" && binary === named();
  if (codeOf(error) === "ERR_DLOPEN_DISABLED" || codeOf(error) === "ERR_ACCESS_DENIED")
    return (
      restriction() ??
      "Start Node.js without --no-addons; NODE_OPTIONS or a worker's execArgv may have it too"
    );
  if (/NotCapable|Requires \w+ access/.test(`${codeOf(error)} ${text}`)) return DENO_HINT;
  if (isNamed) return `${VARIABLE} names it: it must be this package's binary for ${platformName()}`;
  return COMPILE_HINT;
}

const DENO_HINT = "Start Deno with -A, or with --allow-ffi, --allow-read and --allow-env";

/** The remedy under a permission model, which makes files seem absent. */
function restriction(): string | undefined {
  if (runtimeName() === "Deno" || !("permission" in process)) return undefined;
  return "Node.js runs with --permission: it needs --allow-addons, and --allow-fs-read of this package and /proc/self";
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

function unavailable(message: string, hint: Hint, cause?: unknown): VfioError {
  return new VfioError("ERR_VFIO_ADDON_UNAVAILABLE", message, { hint, cause });
}
