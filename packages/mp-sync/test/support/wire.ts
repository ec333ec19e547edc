import {
  Fd,
  SeqpacketListener,
  SeqpacketSocket,
  waitForFd,
  type HasFd,
  type ReceivedPacket,
} from "@vfio/ioctl-native";
import type { PrimaryPeer } from "../../src/index.js";
import { someFile } from "./fds.js";
import { freshPath } from "./folder.js";
import { connect } from "./primary.js";

const LIMIT_MS = 10_000;

/** The bytes of one C int as they lie in memory, spelled out apart from the code under test. */
export function int(value: number): Uint8Array {
  return new Uint8Array(new Int32Array([value]).buffer);
}

/** As in {@link int}, in hex. */
export const hex = (value: number): string => Buffer.from(int(value)).toString("hex");

export const isEof = (packet: ReceivedPacket): boolean =>
  packet.bytes.length === 0 && packet.fds.length === 0 && !packet.truncated;

/** The next packet, awaited. */
export async function next(socket: SeqpacketSocket, maxBytes = 4, maxFds = 8): Promise<ReceivedPacket> {
  for (;;) {
    const packet = socket.receive(maxBytes, maxFds);
    if (packet !== undefined) return packet;
    await waitForFd(socket, { timeoutMs: LIMIT_MS, what: "a packet" });
  }
}

/** One step of an exchange as it went over the wire: the bytes in hex, and how many fds. */
export const spell = ({ bytes, fds }: ReceivedPacket): string =>
  `${Buffer.from(bytes).toString("hex")}+${fds.length}fd`;

/** Sends packets as a 2014 secondary, then takes every packet up to the server's closing. */
export async function converse(
  path: string,
  packets: readonly Uint8Array[],
  fds: readonly HasFd[] = [],
): Promise<{ wire: string[]; files: Fd[] }> {
  using socket = SeqpacketSocket.connect(path);
  for (const packet of packets) {
    socket.send(
      packet,
      fds.map(({ fd }) => fd),
    );
  }
  const wire: string[] = [];
  const files: Fd[] = [];
  for (;;) {
    const packet = await next(socket, 65_536);
    files.push(...packet.fds.map((fd) => new Fd(fd, "received")));
    if (isEof(packet)) return { wire, files };
    wire.push(spell(packet));
  }
}

/** A packet to send, with the numbers of its fds. */
export interface Packet {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

/** A packet without fds. */
export const plain = (bytes: Uint8Array): Packet => ({ bytes, fds: [] });

/** One packet of a scripted primary's reply. */
export interface ScriptedReply {
  readonly bytes: Uint8Array;
  readonly fds?: readonly HasFd[];
}

/** What a scripted primary does with a connection: take some packets, send some, and close or stay silent. */
export interface Script {
  readonly takes: number;
  readonly sends: readonly ScriptedReply[];
  readonly thenHangs?: boolean;
}

/** A primary that plays one script per connection, in order, and notes what it was sent. */
export class ScriptedPrimary implements AsyncDisposable {
  readonly received: string[] = [];
  readonly #listener: SeqpacketListener;
  readonly #over = new AbortController();
  readonly #done: Promise<void>;
  #onPacket: (() => void) | undefined;

  constructor(path: string, ...scripts: readonly Script[]) {
    this.#listener = SeqpacketListener.listen(path, 8);
    this.#done = this.#play(scripts);
  }

  /** Waits until it has taken so many packets. */
  async took(count: number): Promise<void> {
    while (this.received.length < count) await new Promise<void>((resolve) => (this.#onPacket = resolve));
  }

  async #play(scripts: readonly Script[]): Promise<void> {
    const { signal } = this.#over;
    try {
      for (const script of scripts) {
        await waitForFd(this.#listener, { signal });
        using socket = this.#listener.accept()!;
        await this.#act(socket, script, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #act(socket: SeqpacketSocket, script: Script, signal: AbortSignal): Promise<void> {
    for (let taken = 0; taken < script.takes; taken++) {
      const packet = await next(socket, 64);
      for (const fd of packet.fds) new Fd(fd, "received").close();
      this.received.push(spell(packet));
      this.#onPacket?.();
    }
    for (const { bytes, fds = [] } of script.sends) {
      try {
        socket.send(
          bytes,
          fds.map(({ fd }) => fd),
        );
      } catch {
        return;
      }
    }
    if (script.thenHangs === true) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#done;
    this.#listener.close();
  }
}

/** A scripted primary that has given its container to a peer, and plays one script for each request after that. */
export class JoinedScript implements AsyncDisposable {
  readonly peer: PrimaryPeer;
  readonly #primary: ScriptedPrimary;

  private constructor(peer: PrimaryPeer, primary: ScriptedPrimary) {
    this.peer = peer;
    this.#primary = primary;
  }

  static async play(...scripts: readonly Script[]): Promise<JoinedScript> {
    using container = someFile();
    const path = freshPath();
    const first: Script = { takes: 1, sends: [{ bytes: int(0), fds: [container] }] };
    const primary = new ScriptedPrimary(path, first, ...scripts);
    return new JoinedScript(await connect(path), primary);
  }

  /** What it was sent after the request for its container. */
  get received(): readonly string[] {
    return this.#primary.received.slice(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.peer.close();
    await this.#primary[Symbol.asyncDispose]();
  }
}
