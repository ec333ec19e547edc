import { once } from "node:events";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openFile } from "../src/index.js";
import { lockHolder } from "../src/internal.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();

describe("the lock on a file", () => {
  it("is nobody's when nobody has one, and a closed file's can't be seen", () => {
    writeFileSync(pathOf("free"), "x");
    using file = openFile(pathOf("free"));
    expect(lockHolder(file, "the file")).toEqual({ locked: false, pid: 0 });
    const error = errorOf(() => lockHolder({ fd: 2 ** 31 - 1 }, "that file"));
    expect(error.code).toBe("EBADF");
    expect(error.message).toContain("cannot see who has locked that file");
  });

  it("names the process that has one, on a part of it, and is gone with that process", async () => {
    writeFileSync(pathOf("locked"), "x".repeat(100));
    const lock = `import fcntl, sys, os; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX, 10, 50); print(os.getpid(), flush=True); sys.stdin.read()`;
    const holder = spawn("python3", ["-c", lock, pathOf("locked")]);
    await once(holder.stdout, "data");
    using file = openFile(pathOf("locked"), { flags: 0 });
    expect(lockHolder(file, "the file")).toEqual({ locked: true, pid: holder.pid });
    holder.stdin.end();
    await once(holder, "close");
    expect(lockHolder(file, "the file")).toEqual({ locked: false, pid: 0 });
  });
});
