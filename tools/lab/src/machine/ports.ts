import net from "node:net";
import path from "node:path";

/** Between guest and host: the command's output, our control lines, hotplug requests, and a terminal in shell mode. */
export type GuestPortName = "stdout" | "stderr" | "control" | "hotplug" | "tty";

/** The guest's channels, and QEMU's own monitor (QMP). */
export type PortName = GuestPortName | "monitor";

/** Our end of one channel: a Unix socket that QEMU connects to. */
export class Port {
  readonly socketPath: string;
  readonly #server = net.createServer();
  #socket: net.Socket | undefined;
  #drained: Promise<void> = Promise.resolve();

  private constructor(socketPath: string, onData: (chunk: Buffer) => void) {
    this.socketPath = socketPath;
    this.#server.once("connection", (socket) => this.#accept(socket, onData));
  }

  /** Listens in a private folder, for one connection. */
  static async open(directory: string, name: PortName, onData: (chunk: Buffer) => void): Promise<Port> {
    const port = new Port(path.join(directory, name), onData);
    await new Promise<void>((resolve, reject) => {
      port.#server.once("error", reject);
      port.#server.listen(port.socketPath, resolve);
    });
    return port;
  }

  /** Sends to the guest; drops the bytes before it is there. */
  write(bytes: Buffer | string): void {
    this.#socket?.write(bytes);
  }

  /** Resolves, after QEMU's end, when all its output was passed on. */
  async drained(): Promise<void> {
    this.#server.close();
    await this.#drained;
  }

  #accept(socket: net.Socket, onData: (chunk: Buffer) => void): void {
    this.#server.close();
    this.#socket = socket;
    this.#drained = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", onData);
    // A killed QEMU resets the connection; only its end matters.
    socket.on("error", () => undefined);
  }
}
