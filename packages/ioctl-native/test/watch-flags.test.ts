import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { EventFd, openFile, watchFd, type HasFd } from "../src/index.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

fdsStayAsTheyWere();

/** The flags of the open file (fcntl(2), F_GETFL), which all have in common that have it open. */
function flagsOf({ fd }: HasFd): string | undefined {
  return /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
}

describe("a watch leaves the flags of what it watches", () => {
  it("a pipe in which others wait stays blocking, while it is watched and afterwards", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "watch-"));
    execFileSync("mkfifo", [path.join(folder, "pipe")]);
    using pipe = openFile(path.join(folder, "pipe"));
    rmSync(folder, { recursive: true });
    const before = flagsOf(pipe);

    const watcher = watchFd(pipe, () => undefined);

    expect(flagsOf(pipe)).toBe(before);
    watcher.stop();
    expect(flagsOf(pipe)).toBe(before);
  });

  it("what is non-blocking stays so", () => {
    using event = EventFd.create();
    const before = flagsOf(event);

    const watcher = watchFd(event, () => undefined);
    watcher.stop();

    expect(flagsOf(event)).toBe(before);
  });
});
