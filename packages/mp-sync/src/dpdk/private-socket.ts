import { randomBytes } from "node:crypto";
import path from "node:path";
import { check, DatagramSocket, hasErrno, kernel, type FileStatus } from "@vfio/ioctl-native";
import { orUndo } from "@vfio/ioctl-native/internal";
import { onProcessEnd } from "../primary/process-end.js";
import { checkLength } from "../socket/socket-path.js";
import { socketFileHint } from "../socket/system-hints.js";

/** Not `mp_socket_…`: DPDK's primary sends requests of its own to those, and waits 5 s for each answer. */
const PREFIX = ".vfio_reply_";

/**
 * A datagram socket for one reply. Its file lies beside the primary's socket, where both processes see the same path,
 * belongs to the primary's user, and goes with the socket or this process.
 */
export class PrivateSocket implements Disposable {
  readonly socket: DatagramSocket;
  readonly #forget: () => void;

  private constructor(socket: DatagramSocket) {
    this.socket = socket;
    this.#forget = onProcessEnd(() => this.#remove());
  }

  /**
   * @param owner the primary's user, who must be able to send to it.
   * @throws VfioSystemError EACCES; VfioRangeError `ERR_VFIO_SOCKET_PATH` if the directory's path is too long.
   */
  static bind(directory: string, owner: FileStatus): PrivateSocket {
    const file = path.join(directory, `${PREFIX}${randomBytes(8).toString("hex")}`);
    checkLength(file);
    const socket = new PrivateSocket(DatagramSocket.bind(file, socketFileHint));
    const prepare = (): void => {
      socket.#giveTo(owner);
      removeStaleSockets(directory, socket.socket);
    };
    orUndo(prepare, () => socket[Symbol.dispose]());
    return socket;
  }

  [Symbol.dispose](): void {
    this.#forget();
    // In this order: a file whose socket is closed looks like one left by a killed process.
    this.#remove();
    this.socket.close();
  }

  #giveTo({ uid, gid }: FileStatus): void {
    if (uid === process.getuid?.()) return;
    const file = this.socket.path;
    // The directory belongs to the primary's user, who could replace the file by a link: never follow one.
    check(kernel().lchown(file, uid, gid), () => ({
      syscall: "lchown",
      what: `cannot give ${file} to the primary's user ${uid}`,
      path: file,
    }));
  }

  #remove(): void {
    kernel().unlink(this.socket.path);
  }
}

function removeStaleSockets(directory: string, prober: DatagramSocket): void {
  const names = kernel().list(directory);
  // What cannot be seen is left to the next request.
  if (typeof names === "number") return;
  for (const name of names) {
    const file = path.join(directory, name);
    if (!name.startsWith(PREFIX) || file === prober.path) continue;
    if (isStale(file, prober)) kernel().unlink(file);
  }
}

/** A live socket refuses with EPERM once it is connected to the primary; nothing is sent to it in any case. */
function isStale(file: string, prober: DatagramSocket): boolean {
  try {
    prober.connect(file);
    return false;
  } catch (error) {
    return hasErrno(error, "ECONNREFUSED");
  }
}
