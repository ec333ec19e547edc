import {
  errnoOf,
  hasErrno,
  VfioError,
  VfioRangeError,
  VfioSystemError,
  waitForFd,
  watchFd,
  type FdWatcher,
  type HasFd,
  type SeqpacketSocket,
} from "@vfio/ioctl-native";
import { undo, printAs, shownValue } from "@vfio/ioctl-native/internal";
import { checkFd, checkObject } from "../argument-checks.js";
import { RequestConnection, type Inquiry } from "./request-connection.js";
import {
  decodeVerdict,
  encodeTerms,
  isLeaseAccess,
  rangeText,
  VERDICT_BYTES,
  type LeaseTerms,
  type LeaseVerdict,
} from "../wire/lease-messages.js";
import { takeOk } from "./extension-requests.js";
import { encodeInt, INT_BYTES, RELEASE, REQ_LEASE } from "../wire/protocol.js";
import { readAnswer, readBytes } from "./reply.js";

/** Memory for the primary to map for DMA. */
export interface DmaRequest {
  /**
   * An anonymous memory file (`memfd_create` with MFD_ALLOW_SEALING), such as that of `HugepageMemory` of `@vfio/dma`.
   */
  readonly file: HasFd;
  /** The first device address; a multiple of the IOMMU's smallest page (4096). */
  readonly iova: bigint;
  /** A multiple of the page size. */
  readonly bytes: number;
  /** In the file, in bytes; a multiple of the page size. Default 0. */
  readonly offset?: number | undefined;
  /** Default `read-write`. */
  readonly access?: LeaseTerms["access"] | undefined;
}

/**
 * Memory of this process that the primary has mapped for DMA. It stays mapped until this object is closed or this
 * process ends, however it ends.
 */
export class DmaLease implements Disposable, AsyncDisposable {
  static {
    printAs(DmaLease, (it) => ({ iova: it.iova, bytes: it.bytes, lost: it.lost.aborted, closed: it.closed }));
  }

  readonly iova: bigint;
  readonly bytes: number;
  readonly #path: string;
  readonly #socket: SeqpacketSocket;
  readonly #lost = new AbortController();
  readonly #watcher: FdWatcher;
  #releasing: Promise<void> | undefined;

  private constructor(path: string, { iova, bytes }: LeaseTerms, socket: SeqpacketSocket) {
    this.iova = iova;
    this.bytes = bytes;
    this.#path = path;
    this.#socket = socket;
    // A primary sends nothing unasked: whatever comes now is its end.
    this.#watcher = watchFd(socket, () => this.#onLost());
    this.#watcher.unref();
  }

  /** @internal */
  static request(inquiry: Inquiry, request: DmaRequest): Promise<DmaLease> {
    const terms = termsOf(request);
    return RequestConnection.hold(inquiry, `a DMA lease on ${rangeText(terms)}`, async (connection) => {
      connection.send(REQ_LEASE);
      connection.sendPacket(encodeTerms(terms), [request.file.fd]);
      await takeOk(connection, inquiry, "REQ_LEASE", REQ_LEASE);
      const packet = await connection.receive(VERDICT_BYTES);
      const verdict = decodeVerdict(readBytes(packet, 0, "the verdict on a lease"));
      if (verdict.errno !== 0) throw refusedError(inquiry.path, terms, verdict);
      return connection.handOver((socket) => new DmaLease(inquiry.path, terms, socket));
    });
  }

  /** True after {@link close} or {@link release}, or when the primary has gone. */
  get closed(): boolean {
    return this.#socket.closed;
  }

  /**
   * Aborted with `ERR_VFIO_PRIMARY_GONE` when the primary ends the lease: it closed its server, or died. If it died,
   * the mapping is still there until the last fd of the container is closed.
   */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Gives the lease back, and waits until the primary has unmapped the memory. A second call waits for the first.
   * @throws VfioError `ERR_VFIO_PRIMARY_GONE`, `ERR_VFIO_TIMEOUT`, `ERR_VFIO_PROTOCOL`, `ERR_VFIO_LEASE_REFUSED` (the
   * primary failed to unmap it; its events have the errno), `ERR_VFIO_CLOSED` ({@link close} came meanwhile);
   * VfioSystemError (EMFILE, …).
   */
  async release(timeoutMs = 5000): Promise<void> {
    if (this.closed) return;
    await (this.#releasing ??= this.#giveBack(timeoutMs));
  }

  /** Ends the lease without waiting: the primary unmaps the memory when it sees the connection's end. */
  close(): void {
    this.#watcher.stop();
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #giveBack(timeoutMs: number): Promise<void> {
    this.#watcher.stop();
    try {
      this.#socket.send(encodeInt(RELEASE));
      await waitForFd(this.#socket, {
        timeoutMs,
        what: `the primary at ${this.#path} to unmap ${rangeText(this)}`,
      });
      const packet = this.#socket.receive(INT_BYTES);
      if (packet === undefined || packet.bytes.length === 0) throw this.#goneError();
      const answer = readAnswer({ ...packet, fds: 0 }, 0);
      if (answer !== "OK") throw unmapError(this.#path, this);
      this.#socket.close();
    } catch (error) {
      undo(hasErrno(error, "EPIPE", "ECONNRESET") ? this.#goneError() : error, [() => this.#socket.close()]);
    }
  }

  #onLost(): void {
    this.close();
    this.#goneError();
  }

  /** Also aborts {@link lost}. */
  #goneError(): VfioError {
    const error = new VfioError(
      "ERR_VFIO_PRIMARY_GONE",
      `the primary at ${this.#path} ended the DMA lease on ${rangeText(this)}`,
      {
        hint: "The primary closed its server or died, or its container's last group left, and the kernel forgot all mappings. Stop the device's DMA there before anything else",
      },
    );
    this.#lost.abort(error);
    return error;
  }
}

function termsOf(request: DmaRequest): LeaseTerms {
  checkObject(request, "what is to be mapped", "given as an object with file, iova and bytes");
  checkFd(request.file, "the memory to be mapped");
  const { iova, bytes, offset = 0, access = "read-write" } = request;
  checkAccess(access);
  const isRange = typeof iova === "bigint" && iova >= 0n && Number.isSafeInteger(bytes) && bytes > 0;
  if (isRange && iova + BigInt(bytes) <= 2n ** 64n && Number.isSafeInteger(offset) && offset >= 0) {
    return { iova, bytes, offset, access };
  }
  throw new VfioRangeError(
    "ERR_VFIO_LEASE_RANGE",
    `cannot lease ${shownValue(bytes)} bytes at offset ${shownValue(offset)} under IOVA ${shownValue(iova)}`,
    {
      hint: "The IOVA is a bigint from 0n; bytes and offset are multiples of the page size; the end has 64 bits",
    },
  );
}

function checkAccess(access: LeaseTerms["access"]): void {
  if (isLeaseAccess(access)) return;
  throw new VfioRangeError(
    "ERR_VFIO_LEASE_RANGE",
    `cannot lease memory for devices to be ${shownValue(access)}: it must be read-write, read-only or write-only`,
  );
}

function refusedError(path: string, terms: LeaseTerms, { errno, conflict }: LeaseVerdict): VfioError {
  const what = `the primary at ${path} cannot map ${rangeText(terms)} for DMA`;
  if (errno === errnoOf("EEXIST")) return conflictError(what, conflict);
  const cause = new VfioSystemError(errno, { syscall: "REQ_LEASE", what });
  const hint = HINTS.get(errno) ?? "The primary's own log or events may say more";
  return new VfioError("ERR_VFIO_LEASE_REFUSED", `${what}: ${cause.code}`, { hint, cause });
}

function conflictError(what: string, conflict: LeaseVerdict["conflict"]): VfioError {
  const other =
    conflict === undefined
      ? "a mapping that is not a lease is there"
      : `process ${conflict.pid} has a lease on ${rangeText(conflict)}`;
  return new VfioError("ERR_VFIO_LEASE_CONFLICT", `${what}: ${other}`, {
    hint: "Choose an IOVA range that overlaps no other lease or mapping of this container",
  });
}

function unmapError(path: string, range: LeaseTerms | DmaLease): VfioError {
  return new VfioError(
    "ERR_VFIO_LEASE_REFUSED",
    `the primary at ${path} failed to unmap ${rangeText(range)}`,
    {
      hint: "The primary's events say why: the kernel refused, and the memory may still be mapped; or the mapping was lost before",
    },
  );
}

const HINTS = new Map<number, string>([
  [
    errnoOf("ERANGE"),
    "Choose an IOVA inside the primary's window for leases, by default LEASE_WINDOW: 0x80000000 to 0xbfffffff",
  ],
  [errnoOf("EMFILE"), "The primary has reached its limit of leases (maxLeases)"],
  [errnoOf("EFBIG"), "All leases together would exceed the primary's limit of bytes (maxBytes)"],
  [errnoOf("EBADF"), "The file must be an anonymous memory file (memfd_create with MFD_ALLOW_SEALING)"],
  [
    errnoOf("EINVAL"),
    "IOVA, bytes and offset must be multiples of the page size, the IOMMU must reach that far, and the container must have a group",
  ],
  [
    errnoOf("ENODEV"),
    "The primary has closed its container: it is ending, or must restart its server with a new container",
  ],
  [errnoOf("EACCES"), "The file must be open for writing too, unless the access is read-only"],
  [errnoOf("EPERM"), "The file is sealed against writing: only the access read-only is possible"],
  [errnoOf("ENXIO"), "The range reaches beyond the end of the memory's file"],
  [errnoOf("ENOMEM"), "The primary's limit of locked memory (ulimit -l) is too low, or memory is short"],
  [errnoOf("ENOSPC"), "The container takes no more mappings (dma_entry_limit)"],
]);
