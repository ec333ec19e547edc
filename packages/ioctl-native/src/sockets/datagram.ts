import { checkText } from "../errors/argument-error.js";
import { check, errnoOf, VfioSystemError } from "../errors/errors.js";
import { fdState, type Fd, type HasFd } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import type { ReceivedDatagram } from "./received-packet.js";
import { aboutPath, boundSocket, type HintOfErrno } from "./local-socket.js";
import { checkPacket, checkRoom } from "./packet-arguments.js";
import { printAs } from "../errors/printed.js";

/**
 * A local SOCK_DGRAM socket with a file of mode 0600, to which others can answer. Datagrams stay whole, and can carry
 * file descriptors (SCM_RIGHTS). Nothing waits; combine it with {@link waitForFd} or {@link watchFd}. A datagram socket
 * does not learn that its peer has gone. Closing does not remove the file.
 */
export class DatagramSocket implements HasFd, Disposable {
  static {
    printAs(DatagramSocket, (it) => ({ path: it.path, ...fdState(it.#fd) }));
  }

  readonly path: string;
  readonly #fd: Fd;

  private constructor(fd: Fd, path: string) {
    this.#fd = fd;
    this.path = path;
  }

  /**
   * Creates the socket and its file.
   * @throws VfioSystemError EADDRINUSE (the file exists), ENAMETOOLONG (over 107 bytes), EACCES, ENOENT (no such folder).
   */
  static bind(path: string, hint?: HintOfErrno): DatagramSocket {
    checkText("the path of a socket", path);
    const purpose = { path, what: `cannot bind a socket to ${path}`, name: `socket ${path}`, hint } as const;
    return new DatagramSocket(boundSocket({ kind: "datagram", ...purpose }), path);
  }

  /** Throws `ERR_VFIO_CLOSED` after close. */
  get fd(): number {
    return this.#fd.fd;
  }

  get closed(): boolean {
    return this.#fd.closed;
  }

  /**
   * Binds this socket to one peer: from then on the kernel lets only that peer send to it. The peer must have a file.
   * @throws VfioSystemError ENOENT (no such file), ECONNREFUSED (its socket is closed: stale), EACCES, EPROTOTYPE (a
   * socket of another type), EPERM (it is bound to another peer itself).
   */
  connect(path: string, hint?: HintOfErrno): void {
    checkText("the path of a socket", path);
    check(
      kernel().socketConnect(this.fd, path),
      aboutPath("connect", `cannot connect to ${path}`, path, hint),
    );
  }

  /**
   * Sends one datagram to the socket at a path, with copies of up to 253 file descriptors.
   * @throws VfioSystemError EAGAIN (its queue is full), ECONNREFUSED (its socket is closed), ENOENT, EACCES, EPERM (it
   * takes datagrams from another socket only), EMSGSIZE, EINVAL (too many fds), EBADF; VfioRangeError
   * `ERR_VFIO_PACKET_ARGUMENT`.
   */
  send(path: string, bytes: Uint8Array, fds: readonly number[] = [], hint?: HintOfErrno): void {
    checkText("the path of a socket", path);
    checkPacket(bytes, fds);
    const sent = kernel().datagramSend(this.fd, path, bytes, fds);
    check(sent, aboutPath("sendmsg", `cannot send a datagram to ${path}`, path, hint));
  }

  /**
   * Takes one datagram, or `undefined` if none is there. The received fds are close-on-exec and belong to the caller,
   * those of a truncated datagram too.
   * @param maxBytes up to 16 MiB.
   * @param maxFds up to 253.
   * @throws VfioSystemError; VfioRangeError `ERR_VFIO_PACKET_ARGUMENT`.
   */
  receive(maxBytes: number, maxFds = 0): ReceivedDatagram | undefined {
    checkRoom(maxBytes, maxFds);
    const datagram = kernel().datagramReceive(this.fd, maxBytes, maxFds);
    if (typeof datagram !== "number") return datagram;
    if (datagram === errnoOf("EAGAIN")) return undefined;
    throw new VfioSystemError(datagram, { syscall: "recvmsg", what: `cannot receive on ${this.path}` });
  }

  /** Closing twice does nothing. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
