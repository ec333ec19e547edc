import { errnoOf, Fd, hasErrno, SeqpacketSocket, VfioError, type ReceivedPacket } from "@vfio/ioctl-native";
import { closings, Deadline, readableOrOver, runAll, undo } from "@vfio/ioctl-native/internal";
import type { IncomingPacket } from "../wire/exchange-types.js";
import { encodeInt, INT_BYTES } from "../wire/protocol.js";
import { connectHint } from "../socket/system-hints.js";

const RETRY_MS = 10;
/** A primary answers within some ten microseconds; the event loop would add as much. */
const SOON_MS = 0.06;
// More than any reply has, so that a second fd is counted, not cut off.
const MAX_FDS = 8;

export interface Inquiry {
  readonly path: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Lists requests in progress, for whoever may have to end them. */
  readonly underWay?: Set<Deadline> | undefined;
}

export interface PacketWithFiles extends IncomingPacket {
  readonly files: readonly Fd[];
}

/**
 * The secondary's side of one connection, which serves one request. Fds not taken with {@link RequestConnection.keep}
 * are closed at the end.
 */
export class RequestConnection {
  readonly #socket: SeqpacketSocket;
  readonly #path: string;
  readonly #what: string;
  readonly #deadline: Deadline;
  readonly #received = new Set<Fd>();
  #isKept = false;

  private constructor(socket: SeqpacketSocket, path: string, what: string, deadline: Deadline) {
    this.#socket = socket;
    this.#path = path;
    this.#what = what;
    this.#deadline = deadline;
  }

  /**
   * Connects, lets `talk` ask and listen, and closes the connection.
   * @param what the request, for messages.
   * @throws VfioError `ERR_VFIO_TIMEOUT`, `ERR_VFIO_PRIMARY_GONE`; VfioSystemError (ENOENT, ECONNREFUSED,
   * EACCES); a signal's reason.
   */
  static async hold<T>(
    inquiry: Inquiry,
    what: string,
    talk: (connection: RequestConnection) => Promise<T>,
  ): Promise<T> {
    const deadline = new Deadline(inquiry.timeoutMs, () => timeoutError(inquiry, what), inquiry.signal);
    inquiry.underWay?.add(deadline);
    try {
      const socket = await connect(inquiry.path, deadline);
      const connection = new RequestConnection(socket, inquiry.path, what, deadline);
      try {
        const result = await talk(connection);
        connection.#close();
        return result;
      } catch (error) {
        return undo(error, [() => connection.#close()]);
      }
    } finally {
      inquiry.underWay?.delete(deadline);
      deadline[Symbol.dispose]();
    }
  }

  send(...values: readonly number[]): void {
    for (const value of values) this.sendPacket(encodeInt(value));
  }

  sendPacket(bytes: Uint8Array, fds: readonly number[] = []): void {
    try {
      this.#socket.send(bytes, fds);
    } catch (error) {
      // A primary that refused and left has left its answer: receive() finds it, or that there is none. ECONNRESET
      // means the same if it left packets unread.
      if (!hasErrno(error, "EPIPE", "ECONNRESET")) throw error;
    }
  }

  async receive(maxBytes = INT_BYTES): Promise<PacketWithFiles> {
    for (;;) {
      const packet = this.#takeSoon(maxBytes);
      if (packet !== undefined) return this.#adopt(packet);
      this.#deadline.check();
      await readableOrOver(this.#socket, this.#deadline);
    }
  }

  /** The caller closes these. */
  keep(...files: readonly Fd[]): void {
    for (const file of files) this.#received.delete(file);
  }

  /** Gives the socket away to an owner, who closes it; unless making the owner fails. */
  handOver<T>(makeOwner: (socket: SeqpacketSocket) => T): T {
    const owner = makeOwner(this.#socket);
    this.#isKept = true;
    return owner;
  }

  #takeSoon(maxBytes: number): ReceivedPacket | undefined {
    const giveUp = performance.now() + SOON_MS;
    for (;;) {
      const packet = this.#take(maxBytes);
      if (packet !== undefined || performance.now() > giveUp) return packet;
    }
  }

  #take(maxBytes: number): ReceivedPacket | undefined {
    try {
      return this.#socket.receive(maxBytes, MAX_FDS);
    } catch (error) {
      // The reset is reported once, before the packets that still wait.
      if (hasErrno(error, "ECONNRESET")) return this.#socket.receive(maxBytes, MAX_FDS);
      throw error;
    }
  }

  #adopt({ bytes, fds, truncated }: ReceivedPacket): PacketWithFiles {
    if (bytes.length === 0 && fds.length === 0 && !truncated) throw this.#goneError();
    const files = fds.map((fd) => new Fd(fd, `${this.#what} of the primary at ${this.#path}`));
    for (const file of files) this.#received.add(file);
    return { bytes, fds: fds.length, truncated, files };
  }

  #goneError(): VfioError {
    return new VfioError(
      "ERR_VFIO_PRIMARY_GONE",
      `the primary at ${this.#path} closed the connection before it answered the request for ${this.#what}`,
      {
        hint: "The primary ended, closed its server, or dropped this request as too slow; try again once it runs",
      },
    );
  }

  #close(): void {
    if (!this.#isKept) this.#socket.close();
    if (this.#received.size > 0) runAll(closings(this.#received));
  }
}

async function connect(path: string, deadline: Deadline): Promise<SeqpacketSocket> {
  deadline.check();
  for (;;) {
    try {
      return SeqpacketSocket.connect(path, hintFor);
    } catch (error) {
      if (!hasErrno(error, "EAGAIN")) throw error;
      // Until the primary may have taken a client from its queue.
      await deadline.pause(RETRY_MS);
    }
  }
}

function hintFor(errno: number): string | undefined {
  switch (errno) {
    case errnoOf("ENOENT"):
      return "No primary is running, or it runs as another user, with another HOME or with another prefix: its socket path must be this one";
    case errnoOf("ECONNREFUSED"):
      return "The primary that made this socket is dead; start it again, and it takes the stale socket over";
    default:
      return connectHint(errno);
  }
}

function timeoutError({ path, timeoutMs }: Inquiry, what: string): VfioError {
  return new VfioError(
    "ERR_VFIO_TIMEOUT",
    `no answer from the primary at ${path} within ${timeoutMs} ms when asked for ${what}`,
    {
      hint: "The primary is stopped, or too busy to answer; check its state or allow more time (timeoutMs)",
    },
  );
}
