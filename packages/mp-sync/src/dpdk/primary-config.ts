import { constants } from "node:fs";
import path from "node:path";
import {
  errnoOf,
  hasErrno,
  kernel,
  openFile,
  readAt,
  VfioError,
  VfioSystemError,
  type Fd,
  type FileStatus,
  type LockHolder,
} from "@vfio/ioctl-native";
import { exists, listFolder, lockHolder, orUndo } from "@vfio/ioctl-native/internal";
import { fdHint } from "../socket/system-hints.js";
import { decodeDpdkVersion, type DpdkVersion } from "./version.js";

const MOST_NAMED = 8;
/** RTE_MAGIC: written at the end of the primary's initialisation, 0 before. */
const MAGIC = 19820526;

/** The file `config` in a runtime directory, which the primary locks while it runs. */
export class PrimaryConfig implements Disposable {
  readonly path: string;
  /** The file's owner, and so the primary's user. */
  readonly owner: FileStatus;
  readonly #file: Fd;

  private constructor(file: Fd, configPath: string, owner: FileStatus) {
    this.#file = file;
    this.path = configPath;
    this.owner = owner;
  }

  /** @throws VfioError `ERR_VFIO_DPDK_NO_PRIMARY` if there is none; VfioSystemError EACCES. */
  static open(directory: string): PrimaryConfig {
    const configPath = path.join(directory, "config");
    const file = openConfig(configPath, directory);
    return orUndo(
      () => new PrimaryConfig(file, configPath, ownerOf(configPath)),
      () => file.close(),
    );
  }

  holder(): LockHolder {
    return lockHolder(this.#file, this.path);
  }

  /**
   * `undefined` until the primary is initialised.
   * @throws VfioError `ERR_VFIO_DPDK_VERSION` if the file is not DPDK's.
   */
  version(): DpdkVersion | undefined {
    const words = new Uint32Array(readAt(this.#file, 0, 8, this.path).slice().buffer);
    const [magic = 0, version = 0] = words;
    if (magic === MAGIC) return decodeDpdkVersion(version);
    if (magic === 0) return undefined;
    throw new VfioError(
      "ERR_VFIO_DPDK_VERSION",
      `${this.path} is not a DPDK config: it begins with 0x${magic.toString(16)}, not 0x${MAGIC.toString(16)}`,
      { hint: "Pass the runtime directory of a DPDK primary; nothing was sent" },
    );
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

export function noPrimaryError(message: string, hint: string, cause?: unknown): VfioError {
  return new VfioError("ERR_VFIO_DPDK_NO_PRIMARY", message, { hint, cause });
}

function openConfig(configPath: string, directory: string): Fd {
  try {
    // A FIFO of that name would block open().
    return openFile(configPath, { flags: constants.O_RDONLY | constants.O_NONBLOCK, hint: openHint });
  } catch (error) {
    if (!hasErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw noPrimaryError(`there is no DPDK primary in ${directory}`, absentHint(directory), error);
  }
}

function openHint(errno: number): string | undefined {
  if (errno !== errnoOf("EACCES")) return fdHint(errno);
  return `The primary runs as another user: run this process (uid ${process.getuid?.()}) as that user, or as root`;
}

function absentHint(directory: string): string {
  const others = neighbours(path.dirname(directory));
  const found = others.length === 0 ? "" : ` Other primaries here: ${others.join(", ")}.`;
  return `Start it, or pass its --file-prefix as prefix.${found} A primary with --in-memory or --no-shconf cannot be joined; another user's primary has another directory`;
}

/** Primaries in the same folder. A caller with another directory gets no list of what lies around it. */
function neighbours(folder: string): string[] {
  try {
    return listFolder(folder)
      .filter((name) => exists(path.join(folder, name, "mp_socket")))
      .slice(0, MOST_NAMED);
  } catch {
    return [];
  }
}

function ownerOf(file: string): FileStatus {
  const status = kernel().stat(file);
  if (typeof status !== "number") return status;
  throw new VfioSystemError(status, { syscall: "stat", what: `cannot look at ${file}`, path: file });
}
