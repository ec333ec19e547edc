import {
  Fd,
  isVfioError,
  messageOf,
  watchFd,
  type FdWatcher,
  type PeerCredentials,
  type SeqpacketSocket,
} from "@vfio/ioctl-native";
import { Exchange } from "../wire/exchange.js";
import type { Answered, Attachment, ExchangeAction, ExchangeOffer } from "../wire/exchange-types.js";
import { end, endNow, mustNotWait } from "./lease-end.js";
import type { Lease } from "../wire/lease-messages.js";
import type { LeaseGrant, Leases } from "./leases.js";
import { encodeAnswer } from "../wire/protocol.js";
import type { ClientOutcome, DropReason } from "./server-events.js";

export interface ClientService {
  readonly offer: ExchangeOffer;
  readonly leases: Leases;
  /** The fd to attach; may throw if it has been closed. */
  fdOf(attachment: Attachment): number;
  readonly timeoutMs: number;
  /** The client has its lease, and may stay. Must not throw. */
  onLeased(client: ServedClient, outcome: Answered): void;
  /** Called once for each client, when its connection is closed. Must not throw. */
  onEnd(client: ServedClient, outcome: ClientOutcome): void;
}

const NO_FILES: readonly Fd[] = [];

type Reply = Extract<ExchangeAction, { type: "reply" }>;

/**
 * One client of a server: moves packets between its socket and its {@link Exchange}, and waits only in the event loop.
 */
export class ServedClient {
  readonly peer: PeerCredentials;
  readonly #socket: SeqpacketSocket;
  readonly #service: ClientService;
  readonly #exchange: Exchange;
  readonly #outbox: ExchangeAction[] = [];
  #lease: Lease | undefined;
  #mayStay = false;
  /** While the kernel maps or unmaps its memory: nothing is read from it, and its timeout stands still. */
  #waitsForKernel = false;
  #watcher: FdWatcher | undefined;
  #watchesWriting = false;
  #referenced = true;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(socket: SeqpacketSocket, peer: PeerCredentials, service: ClientService) {
    this.peer = peer;
    this.#socket = socket;
    this.#service = service;
    this.#exchange = new Exchange(service.offer);
  }

  /** Serves what is there already; the event loop does the rest, until the timeout. */
  start(): void {
    this.#advance();
    if (!this.#ended && !this.#mayStay) this.#limitTime();
  }

  setReferenced(referenced: boolean): void {
    this.#referenced = referenced;
    if (referenced) this.#watcher?.ref();
    else this.#watcher?.unref();
  }

  /** Ends the connection, which tells the client, if the container has lost its lease's mapping. */
  checkLease(): void {
    if (this.#lease === undefined || this.#waitsForKernel || this.#ended) return;
    try {
      this.#service.leases.checkMapped(this.#lease);
    } catch (error) {
      this.drop("lost", "the container has lost its lease's mapping", error);
    }
  }

  drop(reason: DropReason, detail: string, error?: unknown): void {
    this.#end({ type: "dropped", reason, detail, ...(error === undefined ? {} : { error }) });
  }

  readonly #advance = (): void => {
    try {
      while (!this.#ended && this.#step());
    } catch (error) {
      this.#onFailure(error);
    }
  };

  /** Takes one step. Returns false if it must wait for the client or the kernel, or is done. */
  #step(): boolean {
    if (this.#waitsForKernel) return this.#unwatch();
    const action = this.#outbox[0];
    if (action === undefined) return this.#receive();
    if (action.type === "reply" && !this.#send(action)) return this.#watch(true);
    this.#outbox.shift();
    if (action.type === "leased") this.#stay(action.outcome);
    if (action.type === "release") this.#release();
    if (action.type === "close") this.#end(action.outcome);
    return true;
  }

  #receive(): boolean {
    // Without room for fds, the kernel closes uninvited ones itself and marks the packet as truncated.
    const { roomForBytes, roomForFds } = this.#exchange;
    const packet = this.#socket.receive(roomForBytes, roomForFds);
    if (packet === undefined) return this.#watch(false);
    const { bytes, truncated } = packet;
    const files = packet.fds.length === 0 ? NO_FILES : packet.fds.map((fd) => new Fd(fd, "a client's fd"));
    try {
      const left = bytes.length === 0 && files.length === 0 && !truncated;
      const actions = this.#exchange.feed(left ? undefined : { bytes, fds: files.length, truncated });
      for (const action of actions) this.#take(action, files);
    } finally {
      for (const file of files) file.close();
    }
    return true;
  }

  #take(action: ExchangeAction, [file]: readonly Fd[]): void {
    if (action.type !== "lease" || file === undefined) return void this.#outbox.push(action);
    void this.#awaitKernel(this.#service.leases.grant(action.terms, file, this.peer.pid).then(this.#onGrant));
  }

  readonly #onGrant = ({ verdict, lease }: LeaseGrant): void => {
    this.#lease = lease;
    this.#outbox.push(...this.#exchange.decide(verdict));
  };

  async #awaitKernel(work: Promise<void>): Promise<void> {
    this.#waitsForKernel = true;
    try {
      await work;
      this.#waitsForKernel = false;
      this.#advance();
    } catch (error) {
      this.#waitsForKernel = false;
      this.#onFailure(error);
    }
  }

  #send({ bytes, attachment }: Reply): boolean {
    try {
      this.#socket.send(bytes, attachment === undefined ? [] : [this.#service.fdOf(attachment)]);
      return true;
    } catch (error) {
      if (codeOf(error) === "EAGAIN") return false;
      throw error;
    }
  }

  #watch(forWriting: boolean): false {
    if (this.#watcher !== undefined && this.#watchesWriting === forWriting) return false;
    this.#watcher?.stop();
    this.#watchesWriting = forWriting;
    this.#watcher = watchFd(this.#socket, this.#advance, forWriting);
    if (!this.#referenced) this.#watcher.unref();
    return false;
  }

  #unwatch(): false {
    this.#watcher?.stop();
    this.#watcher = undefined;
    return false;
  }

  #limitTime(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onTimeout(), this.#service.timeoutMs);
  }

  #stay(outcome: Answered): void {
    clearTimeout(this.#timer);
    this.#mayStay = true;
    this.#service.onLeased(this, outcome);
  }

  #release(): void {
    this.#limitTime();
    if (this.#lease !== undefined) void this.#awaitKernel(this.#service.leases.releaseAsync(this.#lease));
  }

  // After a busy spell of this process, the time can be up with the client's packet waiting: look once more.
  #onTimeout(): void {
    if (!this.#waitsForKernel) this.#advance();
    if (this.#waitsForKernel) return this.#limitTime();
    const { expected } = this.#exchange;
    if (this.#mayStay && expected === "release") return;
    const fault = expected === "nothing" ? "did not read its reply" : `sent no ${expected}`;
    this.drop("timeout", `${fault} within ${this.#service.timeoutMs} ms`);
  }

  #onFailure(error: unknown): void {
    const code = codeOf(error);
    if (code === "EPIPE" || code === "ECONNRESET") return this.drop("left", "left before it had its reply");
    this.#sayErr();
    this.drop("failed", messageOf(error), error);
  }

  #sayErr(): void {
    try {
      this.#socket.send(encodeAnswer("ERR"));
    } catch {
      return;
    }
  }

  #end(outcome: ClientOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#unwatch();
    if (this.#lease === undefined) return this.#finish(outcome);
    if (mustNotWait(outcome)) this.#finish(endNow(this.#service.leases, this.#lease, outcome));
    else void end(this.#service.leases, this.#lease, outcome).then((final) => this.#finish(final));
  }

  #finish(outcome: ClientOutcome): void {
    this.#socket.close();
    this.#service.onEnd(this, outcome);
  }
}

function codeOf(error: unknown): string | undefined {
  return isVfioError(error) ? error.code : undefined;
}
