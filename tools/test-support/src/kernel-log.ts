import { closeSync, constants, openSync, readSync } from "node:fs";

const RECORD_BYTES = 8192;

/** The kernel's log from now on: the faults of an IOMMU, for example. Needs root. */
export class KernelLog implements Disposable {
  readonly #fd: number;

  constructor(file = "/dev/kmsg") {
    this.#fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    this.newLines();
  }

  /** The lines since the last call, without their time and level. */
  newLines(): string[] {
    const lines: string[] = [];
    for (let record = this.#next(); record !== ""; record = this.#next()) {
      // Documentation/ABI/testing/dev-kmsg: "level,number,microseconds,flags;text", then lines about the device.
      const [first = ""] = record.split("\n");
      lines.push(first.slice(first.indexOf(";") + 1));
    }
    return lines;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  /** Each read is one record. EAGAIN: no more; EPIPE: the oldest was overwritten, and the next read goes on. */
  #next(): string {
    const record = Buffer.alloc(RECORD_BYTES);
    for (;;) {
      try {
        return record.toString("utf8", 0, readSync(this.#fd, record));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") return "";
        if (code !== "EPIPE") throw error;
      }
    }
  }
}
