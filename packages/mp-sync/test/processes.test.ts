import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { connectToPrimary, FdServer } from "../src/index.js";
import { Child } from "./support/child.js";
import { expectError } from "./support/errors.js";
import { expectNoFdLeft, identityOf, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { memoriesBeyondQueue } from "./support/memories.js";
import { connect, given, primary, usePrimary, verify } from "./support/primary.js";

const RUNNING = "ERR_VFIO_PRIMARY_ALREADY_RUNNING";
/** Against a hang: on a busy machine each of several children takes seconds to start. */
const CHILDREN_IN_TURN = { timeout: 90_000 };

useFolder();
// The first child of a process makes Node open the pipe that tells of ended children.
beforeAll(async () => {
  await using child = new Child("primary.mjs", freshPath(), "exit");
  await child.ended;
});
expectNoFdLeft();

/** A primary in a process of its own, that listens already. */
async function started(path: string, ending = "stay"): Promise<Child> {
  const child = new Child("primary.mjs", path, ending);
  expect(await child.firstLine).toBe("ready");
  return child;
}

describe("a primary that ends", () => {
  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "by %s: it ends at once, and by that signal; its socket file stays, for the next primary to take over",
    CHILDREN_IN_TURN,
    async (signal) => {
      const path = freshPath();
      await using primary = await started(path);
      expect(await primary.kill(signal)).toEqual({ code: null, signal });
      await using next = await started(path, "exit");
      expect(await next.ended).toEqual({ code: 3, signal: null });
      expect(existsSync(path)).toBe(false);
    },
  );

  it.each([
    ["is busy for ever", "busy"],
    ["has two copies of this library, each with a server", "twice"],
    ["has a library that leaves the end to whoever else listens", "besideSignalExit"],
  ])("by a signal while it %s: it ends by that signal", async (_name, ending) => {
    await using primary = await started(freshPath(), ending);
    expect(await primary.kill("SIGTERM")).toEqual({ code: null, signal: "SIGTERM" });
  });

  it("by a signal that its program handles once: the program's own clean-up runs to its end", async () => {
    const path = freshPath();
    await using primary = await started(path, "tidyUp");
    expect(await primary.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ["process.exit", "exit", 3],
    ["an uncaught error", "throw", 1],
    ["having nothing to do, the server unref'd", "end", 0],
    ["closing its server, which kept it alive until then", "endAfterRef", 0],
  ])("by %s: its socket file is gone", async (_name, ending, code) => {
    const path = freshPath();
    await using primary = await started(path, ending);
    expect(await primary.ended).toEqual({ code, signal: null });
    expect(existsSync(path)).toBe(false);
  });

  it(
    "by kill -9: its file stays, says ECONNREFUSED, and the next primary takes it over for its old secondary too",
    CHILDREN_IN_TURN,
    async () => {
      const path = freshPath();
      await using first = await started(path);
      using peer = await connect(path);
      const before = identityOf(peer.container);
      await first.kill("SIGKILL");
      expect(identityOf(peer.container)).toBe(before);
      await expectError(() => peer.group(7), "ECONNREFUSED");
      await using _second = await started(path);
      expect((await peer.group(7)).number).toBe(7);
    },
  );
});

describe("two primaries on one path", () => {
  it("given a live one in another process, the second is refused with that process's pid and name", async () => {
    const path = freshPath();
    await using live = await started(path);
    using container = someFile();
    const text = new RegExp(`${path}: process ${live.pid} \\(.+\\), uid `);
    await expectError(() => FdServer.listen({ container, groups: [], path }), RUNNING, text);
    using peer = await connect(path);
    expect(peer.container.closed).toBe(false);
  });

  it("given a stopped one, which can answer nothing, the second is refused all the same", async () => {
    const path = freshPath();
    await using primary = await started(path);
    process.kill(primary.pid, "SIGSTOP");
    using container = someFile();
    await expectError(() => FdServer.listen({ container, groups: [], path }), RUNNING);
    await expectError(() => connectToPrimary({ path, verify, timeoutMs: 50 }), "ERR_VFIO_TIMEOUT");
  });

  it("given several started at once on a dead one's socket, exactly one runs", CHILDREN_IN_TURN, async () => {
    const path = freshPath();
    await using dead = await started(path);
    await dead.kill("SIGKILL");
    const start = (): Child => new Child("primary.mjs", path, "stay");
    await using one = start(),
      two = start(),
      three = start(),
      four = start();
    const lines = await Promise.all([one, two, three, four].map(({ firstLine }) => firstLine));
    expect(lines.sort()).toEqual([RUNNING, RUNNING, RUNNING, "ready"]);
    using peer = await connect(path);
    expect(peer.path).toBe(path);
  });
});

describe("a secondary that is killed halfway", () => {
  usePrimary();
  it.each<[string, readonly number[], number, string]>([
    ["before it asked", [], 0, "dropped: left"],
    ["after asking for the container", [0x100], 0, "container: OK"],
    ["after its container came", [0x100], 1, "container: OK"],
    ["before the group's number", [0x200], 0, "dropped: left"],
    ["after the group's number", [0x200, 7], 0, "group 7: OK"],
    ["between the two OKs for a group", [0x200, 7], 1, "group 7: OK"],
    ["in the middle of the shared memory", [0x10001], 3, "dropped: left"],
  ])(
    "%s: the primary closes what it had for it and serves the next one",
    async (_name, ints, takes, told) => {
      using memory = someFile();
      await given({ memories: memoriesBeyondQueue(memory) });
      await using child = new Child("dying-secondary.mjs", primary.path, JSON.stringify(ints), String(takes));
      expect(await child.ended).toEqual({ code: null, signal: "SIGKILL" });
      // A reply that was complete when its reader died counts as answered, one that met EPIPE as left.
      expect([told, "dropped: left"]).toContain((await primary.told(1))[0]);
      expect(primary.server.clients).toBe(0);
      using peer = await connect(primary.path);
      expect(identityOf(await peer.group(7))).toBe(identityOf(primary.group7));
    },
  );
});

describe("a primary that is killed halfway", () => {
  /** Packets: an int, and the number of fds that ride along. */
  const packet = (int: number, fds = 0): readonly [number, number] => [int, fds];
  const [OK, TWO, MEMORY] = [packet(0), packet(2), packet(1, 1)];
  it.each<[string, number, (readonly [number, number])[], "group" | "memory"]>([
    ["before it took the request", 0, [], "group"],
    ["before it took the group's number", 1, [], "group"],
    ["before its first OK", 2, [], "group"],
    ["between the two OKs", 2, [OK], "group"],
    ["before the number of memories", 1, [OK], "memory"],
    ["before the first memory", 1, [OK, TWO], "memory"],
    ["between two memories", 1, [OK, TWO, MEMORY], "memory"],
  ])(
    "%s: the secondary is told that it is gone, and keeps no fd of it",
    async (_name, takes, sends, what) => {
      const path = freshPath();
      await using primary = new Child("dying-primary.mjs", path, String(takes), JSON.stringify(sends));
      expect(await primary.firstLine).toBe("ready");
      using peer = await connect(path);
      await expectError(
        () => (what === "group" ? peer.group(7) : peer.memory()),
        "ERR_VFIO_PRIMARY_GONE",
        `the primary at ${path} closed the connection`,
      );
      expect(await primary.ended).toEqual({ code: null, signal: "SIGKILL" });
    },
  );
});
