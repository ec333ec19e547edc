import { checkHasFd, checkText } from "../errors/argument-error.js";
import { check, errnoOf, VfioSystemError } from "../errors/errors.js";
import { Fd, type HasFd, fdState } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import type { PeerCredentials } from "../kernel/system-calls.js";
import type { ReceivedPacket } from "./received-packet.js";
import { boundSocket, fdLimitHint, socketAfter, type HintOfErrno } from "./local-socket.js";
import { checkCount, checkPacket, checkRoom } from "./packet-arguments.js";
import { orUndo } from "../lifecycle/run-all.js";
import { printAs } from "../errors/printed.js";

/**
 * One end of a local SOCK_SEQPACKET connection: packets stay whole, and can carry file descriptors (SCM_RIGHTS).
 * Nothing waits; combine it with {@link waitForFd} or {@link watchFd}.
 */
export class SeqpacketSocket implements HasFd, Disposable {
  static {
    printAs(SeqpacketSocket, (it) => fdState(it.#fd));
  }

  readonly #fd: Fd;

  /** @param fd a connected socket, which then belongs to this object. */
  constructor(fd: Fd) {
    checkHasFd("the socket", "an Fd", fd);
    this.#fd = fd;
  }

  /**
   * Connects to a listening socket file.
   * @throws VfioSystemError ENOENT (no such file), ECONNREFUSED (nobody listens: stale), EACCES, EAGAIN (its queue is full).
   */
  static connect(path: string, hint?: HintOfErrno): SeqpacketSocket {
    checkText("the path of a socket", path);
    const purpose = { path, what: `cannot connect to ${path}`, name: `connection to ${path}`, hint } as const;
    const connect = (fd: number): number => kernel().socketConnect(fd, path);
    return new SeqpacketSocket(socketAfter({ kind: "seqpacket", ...purpose }, "connect", connect));
  }

  /** Throws `ERR_VFIO_CLOSED` after close. */
  get fd(): number {
    return this.#fd.fd;
  }

  get closed(): boolean {
    return this.#fd.closed;
  }

  /** SO_PEERCRED. */
  get peer(): PeerCredentials {
    const peer = kernel().socketPeer(this.fd);
    if (typeof peer !== "number") return peer;
    throw new VfioSystemError(peer, { syscall: "getsockopt", what: "cannot read the peer's credentials" });
  }

  /**
   * Sends one packet, with copies of up to 253 file descriptors. An empty packet without any looks to the peer
   * as if this end had left.
   * @throws VfioSystemError EPIPE (the peer left), EAGAIN (its queue is full), EMSGSIZE (larger than the socket's
   * send buffer), EINVAL (too many fds), EBADF (not an open fd); VfioRangeError `ERR_VFIO_PACKET_ARGUMENT`.
   */
  send(bytes: Uint8Array, fds: readonly number[] = []): void {
    checkPacket(bytes, fds);
    check(kernel().socketSend(this.fd, bytes, fds), () => ({
      syscall: "sendmsg",
      what: "cannot send a packet",
    }));
  }

  /**
   * Takes one packet, or `undefined` if none is there. An empty packet without fds means that the peer left. The
   * received fds are close-on-exec and belong to the caller, those of a truncated packet too.
   * @param maxBytes up to 16 MiB.
   * @param maxFds up to 253.
   * @throws VfioSystemError ECONNRESET (the peer left packets unread); VfioRangeError `ERR_VFIO_PACKET_ARGUMENT`.
   */
  receive(maxBytes: number, maxFds = 0): ReceivedPacket | undefined {
    checkRoom(maxBytes, maxFds);
    const packet = kernel().socketReceive(this.fd, maxBytes, maxFds);
    if (typeof packet !== "number") return isEnd(packet) ? this.#lookAgain(packet, maxBytes, maxFds) : packet;
    if (packet === errnoOf("EAGAIN")) return undefined;
    throw new VfioSystemError(packet, { syscall: "recvmsg", what: "cannot receive a packet" });
  }

  /** Closing twice does nothing. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // A non-blocking recvmsg() first looks into the queue, then for the peer's end. If the peer sends its last packets
  // and leaves in between, it reports the end with packets waiting; a second call tells the truth.
  #lookAgain(end: ReceivedPacket, maxBytes: number, maxFds: number): ReceivedPacket {
    const packet = kernel().socketReceive(this.fd, maxBytes, maxFds);
    return typeof packet === "number" ? end : packet;
  }
}

function isEnd({ bytes, fds, truncated }: ReceivedPacket): boolean {
  return bytes.length === 0 && fds.length === 0 && !truncated;
}

/** A listening SOCK_SEQPACKET socket file with mode 0600. Closing it does not remove the file. */
export class SeqpacketListener implements HasFd, Disposable {
  static {
    printAs(SeqpacketListener, (it) => fdState(it.#fd));
  }

  readonly #fd: Fd;

  private constructor(fd: Fd) {
    this.#fd = fd;
  }

  /**
   * Creates the socket file and listens.
   * @param backlog the most connections that wait for {@link accept}.
   * @param hint the remedy if the file cannot be made.
   * @throws VfioRangeError `ERR_VFIO_PACKET_ARGUMENT` for a backlog that is no whole number from 0; VfioSystemError, of
   * `bind` EADDRINUSE (the file exists), ENAMETOOLONG (over 107 bytes), EACCES, ENOENT (no such folder); of `socket`
   * EMFILE.
   */
  static listen(path: string, backlog: number, hint?: HintOfErrno): SeqpacketListener {
    checkText("the path of a socket", path);
    checkCount("backlog", backlog, 2 ** 31 - 1);
    const what = `cannot listen on ${path}`;
    const socket = boundSocket({ kind: "seqpacket", path, what, name: `socket ${path}`, hint });
    orUndo(
      () => check(kernel().socketListen(socket.fd, backlog), () => ({ syscall: "listen", what, path })),
      () => kernel().unlink(path),
      () => socket.close(),
    );
    return new SeqpacketListener(socket);
  }

  /** Throws `ERR_VFIO_CLOSED` after close. */
  get fd(): number {
    return this.#fd.fd;
  }

  /**
   * Takes one waiting connection; `undefined` if there is none, or it has left again.
   * @throws VfioSystemError EMFILE, ENFILE (no file descriptor is left: the connection keeps waiting, so a watch calls
   * back again at once).
   */
  accept(): SeqpacketSocket | undefined {
    const fd = kernel().socketAccept(this.fd);
    if (fd >= 0) return new SeqpacketSocket(new Fd(fd, "accepted connection"));
    if (fd === errnoOf("EAGAIN") || fd === errnoOf("ECONNABORTED") || fd === errnoOf("EINTR"))
      return undefined;
    throw new VfioSystemError(fd, {
      syscall: "accept4",
      what: "cannot accept a connection",
      hint: () => fdLimitHint(fd),
    });
  }

  /** Closing twice does nothing. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
