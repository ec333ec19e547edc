const LIMIT = 1 << 20;
const PANIC = "Kernel panic";
/** How the kernel begins to tell of what then makes it panic. */
const TROUBLE = /\b(?:BUG:|Oops|general protection fault|cut here|Kernel panic)/;
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

  /** The last lines; after a panic the lines from its cause on, which the kernel tells first. */
  tail(lines = 30): string {
    const all = this.#plain().trimEnd().split("\n");
    if (this.panic === undefined) return all.slice(-lines).join("\n");
    const cause = all.findIndex((line) => TROUBLE.test(line));
    return all.slice(cause, cause + lines).join("\n");
  }

  get panic(): string | undefined {
    return new RegExp(`${PANIC} - not syncing: (.*)`).exec(this.#plain())?.[1];
  }

  #plain(): string {
    return this.#text.replace(CONTROLS, "");
  }
}
