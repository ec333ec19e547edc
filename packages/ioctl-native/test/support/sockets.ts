import { rmSync } from "node:fs";
import path from "node:path";
import { shortTemporaryFolder } from "@vfio/test-support";
import { afterAll, beforeAll } from "vitest";
import { DatagramSocket, SeqpacketListener, SeqpacketSocket, type ReceivedPacket } from "../../src/index.js";

/** A folder for socket files that lives as long as the tests of the file; returns the path of a name in it. */
export function socketFolder(): (name: string) => string {
  let folder = "";
  beforeAll(() => {
    folder = shortTemporaryFolder("vfio-socket-");
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return (name) => path.join(folder, name);
}

/** Two connected ends; disposing closes them. */
export class Pair implements Disposable {
  readonly near: SeqpacketSocket;
  readonly far: SeqpacketSocket;

  constructor(file: string) {
    using listener = SeqpacketListener.listen(file, 1);
    this.near = SeqpacketSocket.connect(file);
    this.far = listener.accept()!;
    rmSync(file);
  }

  [Symbol.dispose](): void {
    this.near.close();
    this.far.close();
  }
}

/** Two sockets with files, which are removed with them. */
export class Datagrams implements Disposable {
  readonly near: DatagramSocket;
  readonly far: DatagramSocket;

  constructor(file: string) {
    this.near = DatagramSocket.bind(`${file}.near`);
    this.far = DatagramSocket.bind(`${file}.far`);
  }

  [Symbol.dispose](): void {
    for (const socket of [this.near, this.far]) {
      socket.close();
      rmSync(socket.path, { force: true });
    }
  }
}

/** One way of a packet, of either kind. */
export interface Way extends Disposable {
  send(bytes: Uint8Array, fds?: readonly number[]): void;
  receive(maxBytes: number, maxFds?: number): ReceivedPacket | undefined;
  /** Where packets come from, and where they arrive: each an fd. */
  readonly from: { readonly fd: number };
  readonly to: { readonly fd: number };
}

/** A way from `near` to `far` for each kind of socket. */
export const WAYS: Readonly<Record<string, (file: string) => Way>> = {
  seqpacket: (file) => {
    const ends = new Pair(file);
    return wayOf(ends, (bytes, fds) => ends.near.send(bytes, fds));
  },
  datagram: (file) => {
    const ends = new Datagrams(file);
    return wayOf(ends, (bytes, fds) => ends.near.send(ends.far.path, bytes, fds));
  },
};

function wayOf(ends: Pair | Datagrams, send: Way["send"]): Way {
  return {
    send,
    receive: (maxBytes, maxFds) => ends.far.receive(maxBytes, maxFds),
    from: ends.near,
    to: ends.far,
    [Symbol.dispose]: () => ends[Symbol.dispose](),
  };
}
