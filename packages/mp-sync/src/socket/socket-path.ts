import path from "node:path";
import { VfioRangeError } from "@vfio/ioctl-native";
import { shownValue } from "@vfio/ioctl-native/internal";
import { checkObject } from "../argument-checks.js";

/** DPDK's own default is `rte`. */
export const DEFAULT_PREFIX = "vfio";

/** The room in `sockaddr_un.sun_path` before its NUL. */
const MAX_PATH_BYTES = 107;

/** Where primary and secondary meet. */
export interface SocketPathOptions {
  /** Tells apart several primaries of one user, like DPDK's `--file-prefix`. Default `vfio`. */
  readonly prefix?: string | undefined;
  readonly path?: string | undefined;
}

/** The asking user, as far as the path depends on it. */
export interface SocketPathUser {
  /** Effective; 0 is root. */
  readonly uid: number;
  readonly home: string | undefined;
}

/**
 * The socket's absolute path, by the rule of the first DPDK with VFIO: `/var/run/.<prefix>_mp_socket` for
 * root, otherwise `$HOME/.<prefix>_mp_socket` (`/var/run` if HOME is not set).
 * @throws VfioRangeError `ERR_VFIO_SOCKET_PREFIX`, `ERR_VFIO_SOCKET_PATH`.
 * @example
 * ```ts
 * import { socketPath } from "@vfio/mp-sync";
 *
 * console.log(socketPath({ path: "/run/my.sock" })); // /run/my.sock
 * ```
 */
export function socketPath(options: SocketPathOptions = {}, user?: SocketPathUser): string {
  checkObject(options, "where primary and secondary meet", "given as an object of options");
  const file = options.path ?? pathOfPrefix(options.prefix ?? DEFAULT_PREFIX, user ?? currentUser());
  return checkPath(file);
}

function pathOfPrefix(prefix: string, { uid, home }: SocketPathUser): string {
  checkPrefix(prefix);
  const folder = uid === 0 || home === undefined || home === "" ? "/var/run" : home;
  return path.join(folder, `.${prefix}_mp_socket`);
}

/** @throws VfioRangeError `ERR_VFIO_SOCKET_PREFIX`. */
export function checkPrefix(prefix: string): void {
  if (isName(prefix) && !prefix.includes("/")) return;
  throw new VfioRangeError(
    "ERR_VFIO_SOCKET_PREFIX",
    `${shownValue(prefix)} cannot be a prefix: it becomes part of a file name, so it must not be empty or contain a slash or NUL`,
  );
}

function checkPath(file: string): string {
  checkName(file, "the path of a socket");
  const absolute = path.resolve(file);
  checkLength(absolute);
  return absolute;
}

/**
 * @param what the thing that `file` should name, for the message.
 * @throws VfioRangeError `ERR_VFIO_SOCKET_PATH`.
 */
export function checkName(file: string, what: string): void {
  if (isName(file)) return;
  throw new VfioRangeError("ERR_VFIO_SOCKET_PATH", `${shownValue(file)} cannot be ${what}`);
}

function isName(text: unknown): text is string {
  return typeof text === "string" && text !== "" && !text.includes("\0");
}

/** @throws VfioRangeError `ERR_VFIO_SOCKET_PATH`. */
export function checkLength(file: string): void {
  const bytes = Buffer.byteLength(file);
  if (bytes <= MAX_PATH_BYTES) return;
  throw new VfioRangeError("ERR_VFIO_SOCKET_PATH", `${file} is ${bytes} bytes long`, {
    hint: `A socket's path can have ${MAX_PATH_BYTES} bytes; choose a shorter prefix or path`,
  });
}

function currentUser(): SocketPathUser {
  return { uid: process.getuid?.() ?? 0, home: process.env["HOME"] };
}
