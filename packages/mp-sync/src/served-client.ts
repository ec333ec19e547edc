import { Fd, isVfioError, watchFd, type FdWatcher, type SeqpacketSocket } from "@vfio/ioctl-native";
import { Exchange, type Attachment, type ExchangeAction, type ExchangeOffer } from "./exchange.js";
import { encodeAnswer, INT_BYTES } from "./protocol.js";
import type { ClientOutcome, DropReason } from "./server-events.js";

/** What a server gives each of its clients. */
export interface ClientService {
  readonly offer: ExchangeOffer;
  /** The fd to attach; may throw if it has been closed. */
  fdOf(attachment: Attachment): number;
  readonly timeoutMs: number;
}

type Reply = Extract<ExchangeAction, { type: "reply" }>;

/**
 * One client of a server: moves packets between its socket and its {@link Exchange}, never waiting but in
 * the event loop.
 */
export class ServedClient {
  readonly #socket: SeqpacketSocket;
  readonly #service: ClientService;
  readonly #onEnd: (outcome: ClientOutcome) => void;
  readonly #exchange: Exchange;
  readonly #outbox: ExchangeAction[] = [];
  #watcher: FdWatcher | undefined;
  #watchesWriting = false;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  /** @param onEnd called once, when the connection is closed; must not throw. */
  constructor(socket: SeqpacketSocket, service: ClientService, onEnd: (outcome: ClientOutcome) => void) {
    this.#socket = socket;
    this.#service = service;
    this.#onEnd = onEnd;
    this.#exchange = new Exchange(service.offer);
  }

  /** Serves what is there already; the rest follows from the event loop, until the time is up. */
  start(): void {
    this.#advance();
    if (!this.#ended) this.#timer = setTimeout(() => this.#onTimeout(), this.#service.timeoutMs);
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

  /** Moves one packet. False if it has to wait for the client, or is through. */
  #step(): boolean {
    const action = this.#outbox[0];
    if (action === undefined) return this.#receive();
    if (action.type === "close") {
      this.#end(action.outcome);
      return false;
    }
    if (!this.#send(action)) return this.#watch(true);
    this.#outbox.shift();
    return true;
  }

  #receive(): boolean {
    // With room for no fd, the kernel closes uninvited ones itself and marks the packet as truncated.
    const packet = this.#socket.receive(INT_BYTES, 0);
    if (packet === undefined) return this.#watch(false);
    const { bytes, fds, truncated } = packet;
    for (const fd of fds) new Fd(fd, "uninvited fd").close();
    const left = bytes.length === 0 && fds.length === 0 && !truncated;
    this.#outbox.push(...this.#exchange.feed(left ? undefined : { bytes, fds: fds.length, truncated }));
    return true;
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
    return false;
  }

  // After a busy spell of this process, the time can be up with the client's packet already there: so look
  // once more.
  #onTimeout(): void {
    this.#advance();
    const { expected } = this.#exchange;
    const fault = expected === "nothing" ? "did not read its reply" : `sent no ${expected}`;
    this.drop("timeout", `${fault} within ${this.#service.timeoutMs} ms`);
  }

  #onFailure(error: unknown): void {
    const code = codeOf(error);
    if (code === "EPIPE" || code === "ECONNRESET") return this.drop("left", "left before it had its reply");
    this.#sayErr();
    this.drop("failed", error instanceof Error ? error.message : String(error), error);
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
    this.#watcher?.stop();
    this.#socket.close();
    this.#onEnd(outcome);
  }
}

function codeOf(error: unknown): string | undefined {
  return isVfioError(error) ? error.code : undefined;
}
