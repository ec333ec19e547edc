import path from "node:path";
import type { Fd, VfioError } from "@vfio/ioctl-native";
import { closedError, closings, printAs, runAll } from "@vfio/ioctl-native/internal";
import { checkRequest, checkTimeout } from "../argument-checks.js";
import { SharedGroup, type RequestOptions } from "../secondary/client.js";
import { checkGroupNumber } from "../wire/protocol.js";
import { nameOf, type ExpectedFd, type FdVerifier } from "../secondary/verify.js";
import { askDpdk, type DpdkAnswer, type DpdkInquiry } from "./ask.js";
import type { RteMpDialect } from "./dialect.js";
import { checkGroupInUse, groupsOpenIn } from "./groups-in-use.js";
import { REQUEST_GROUP } from "./message.js";
import type { PrimaryConfig } from "./primary-config.js";
import { PrimaryWatch } from "./primary-watch.js";
import type { Question } from "./question.js";
import { containerRefused, groupRefused, noDeviceError } from "./refusals.js";
import type { DpdkVersion } from "./version.js";

/** The parts of a {@link DpdkPrimary}. */
export interface JoinedPrimary {
  readonly directory: string;
  /** Belongs to the {@link DpdkPrimary} from then on. */
  readonly config: PrimaryConfig;
  readonly version: DpdkVersion;
  readonly dialect: RteMpDialect;
  readonly pid: number | undefined;
  readonly timeoutMs: number;
  readonly verify: FdVerifier;
}

/** Options of {@link DpdkPrimary.group}. */
export interface DpdkGroupOptions extends RequestOptions {
  /** Ask even for a group that the primary does not use: it then opens it, and keeps it open. Default false. */
  readonly allowUnused?: boolean | undefined;
}

/**
 * A running DPDK primary that this process has joined. Each request is a datagram from a new socket; between requests
 * only the primary's `config` is open, to see that it lives. Closing closes all received fds.
 */
export class DpdkPrimary implements Disposable {
  static {
    printAs(DpdkPrimary, (it) => ({ directory: it.directory, pid: it.pid, closed: it.closed }));
  }

  readonly directory: string;
  readonly version: DpdkVersion;
  /** `undefined` if the primary is in a PID namespace that this process does not see. */
  readonly pid: number | undefined;
  readonly #joined: JoinedPrimary;
  readonly #watch: PrimaryWatch;
  readonly #files = new Set<Fd>();
  readonly #closing = new AbortController();

  private constructor(joined: JoinedPrimary) {
    this.directory = joined.directory;
    this.version = joined.version;
    this.pid = joined.pid;
    this.#joined = joined;
    this.#watch = new PrimaryWatch(joined.config, joined.directory, joined.pid);
  }

  /** @internal */
  static of(joined: JoinedPrimary): DpdkPrimary {
    return new DpdkPrimary(joined);
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /**
   * Aborted with VfioError `ERR_VFIO_PRIMARY_GONE` within half a second of the primary's end. Requests in progress fail
   * with the same error. Does not keep this process alive.
   */
  get gone(): AbortSignal {
    return this.#watch.signal;
  }

  /**
   * The groups that the primary has open, as `/proc` shows them; `undefined` if its open files cannot be seen.
   * @throws VfioError `ERR_VFIO_CLOSED`.
   */
  groupsInUse(): number[] | undefined {
    this.#checkOpen();
    return groupsOpenIn(this.pid);
  }

  /**
   * The IOMMU type: 1 for type1, 7 for sPAPR v2, 8 for none. Only primaries from 19.02 on tell it.
   * @throws VfioError `ERR_VFIO_DPDK_NO_DEVICE`; otherwise as {@link container}.
   */
  async iommuType(options: RequestOptions = {}): Promise<number> {
    const refused = (): VfioError => noDeviceError(this.directory);
    const question = {
      what: "its IOMMU type",
      req: this.#joined.dialect.iommuType,
      bringsFd: false,
      refused,
    };
    return (await this.#ask(question, undefined, options)).value;
  }

  /**
   * The primary's own container. Older primaries than 18.11 only gave new, empty ones.
   * @throws VfioError `ERR_VFIO_CONTAINER_REFUSED`, `ERR_VFIO_WRONG_FD`, `ERR_VFIO_PROTOCOL`, `ERR_VFIO_PRIMARY_GONE`,
   * `ERR_VFIO_DPDK_NO_PRIMARY`, `ERR_VFIO_TIMEOUT`, `ERR_VFIO_CLOSED`; VfioRangeError `ERR_VFIO_TIMEOUT_RANGE`;
   * VfioSystemError EACCES; the signal's reason.
   */
  async container(options: RequestOptions = {}): Promise<Fd> {
    const refused = (): VfioError => containerRefused(this.directory);
    const expected: ExpectedFd = { kind: "container" };
    const question = { what: nameOf(expected), req: this.#joined.dialect.container, bringsFd: true, refused };
    return this.#own(await this.#ask(question, expected, options));
  }

  /**
   * A group by its number. The fd is this process's own; each call asks the primary.
   * @param number from 0 to 2^31 - 1.
   * @throws VfioError `ERR_VFIO_GROUP_NOT_IN_USE` (nothing was sent), `ERR_VFIO_GROUP_NO_FD`, `ERR_VFIO_GROUP_REFUSED`;
   * VfioRangeError `ERR_VFIO_GROUP_NUMBER`; otherwise as {@link container}.
   */
  async group(number: number, options: DpdkGroupOptions = {}): Promise<SharedGroup> {
    this.#checkUsable();
    checkGroupNumber(number);
    checkRequest(options);
    if (options.allowUnused !== true) checkGroupInUse(number, this.pid, this.directory);
    const refused = (result: "NO_FD" | "ERR"): VfioError => groupRefused(result, number, this.directory);
    const expected: ExpectedFd = { kind: "group", number };
    const question = { what: nameOf(expected), req: REQUEST_GROUP, group: number, bringsFd: true, refused };
    const file = this.#own(await this.#ask(question, expected, options));
    this.#files.delete(file);
    const group = new SharedGroup(file.release(), number);
    this.#files.add(group);
    return group;
  }

  /** Closes every fd that came from the primary, and ends requests in progress (`ERR_VFIO_CLOSED`). */
  close(): void {
    if (this.closed) return;
    this.#closing.abort(this.#closedError());
    this.#watch[Symbol.dispose]();
    runAll([...closings(this.#files), () => this.#joined.config[Symbol.dispose]()]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #ask(
    question: Question,
    expected: ExpectedFd | undefined,
    options: RequestOptions,
  ): Promise<DpdkAnswer> {
    this.#checkUsable();
    checkRequest(options);
    const { config, dialect, verify } = this.#joined;
    const { timeoutMs = this.#joined.timeoutMs, signal } = options;
    const inquiry: DpdkInquiry = {
      directory: this.directory,
      owner: config.owner,
      socketPath: path.join(this.directory, "mp_socket"),
      dialect,
      timeoutMs: checkTimeout(timeoutMs),
      signals: [this.#closing.signal, this.gone, signal],
      checkAlive: () => this.#checkAlive(),
      verify: (file) => expected && verify(file, expected),
    };
    return askDpdk(inquiry, question);
  }

  #own({ file }: DpdkAnswer): Fd {
    if (file === undefined) throw new TypeError("a reply without its fd was let through");
    if (this.closed) {
      file.close();
      throw this.#closedError();
    }
    for (const known of this.#files) if (known.closed) this.#files.delete(known);
    this.#files.add(file);
    return file;
  }

  #checkUsable(): void {
    this.#checkOpen();
    this.#checkAlive();
  }

  #checkAlive(): void {
    this.#watch.look();
    this.gone.throwIfAborted();
  }

  #checkOpen(): void {
    if (this.closed) throw this.#closedError();
  }

  #closedError(): VfioError {
    return closedError(`the connection to the DPDK primary in ${this.directory}`);
  }
}
