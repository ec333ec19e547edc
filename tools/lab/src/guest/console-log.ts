const LIMIT = 1 << 20;
const PANIC = "Kernel panic";
const ESCAPE = String.fromCharCode(0x1b);
/** What a terminal acts on: returns, colours, the cursor's moves, a reset. */
const CONTROLS = new RegExp(`\\r|${ESCAPE}\\[[0-9;?=]*[A-Za-z]|${ESCAPE}c`, "g");

/** The last MiB of the guest kernel's output. */
export class ConsoleLog {
  #text = "";

  append(chunk: Buffer): void {
    this.#text = (this.#text + chunk.toString("utf8")).slice(-LIMIT);
  }

  get text(): string {
    return this.#text;
  }

  /** The last lines; after a panic those around its first one, since the kernel tells the cause before. */
  tail(lines = 60): string {
    const all = this.#plain().trimEnd().split("\n");
    const panic = all.findIndex((line) => line.includes(PANIC));
    if (panic === -1) return all.slice(-lines).join("\n");
    return all.slice(Math.max(0, panic - lines), panic + lines).join("\n");
  }

  get panic(): string | undefined {
    return new RegExp(`${PANIC} - not syncing: (.*)`).exec(this.#plain())?.[1];
  }

  #plain(): string {
    return this.#text.replace(CONTROLS, "");
  }
}
