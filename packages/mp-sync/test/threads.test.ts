import { existsSync } from "node:fs";
import { on } from "node:events";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "./support/errors.js";
import { expectNoFdLeft } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { WatchedKernel } from "./support/kernel.js";
import { connect, TestPrimary } from "./support/primary.js";

const FIXTURES = path.join(import.meta.dirname, "fixtures");

useFolder();
// The first worker of a process makes Node open what all of them share.
beforeAll(async () => {
  await (await primaryIn(freshPath())).terminate();
});
expectNoFdLeft();

/** A worker that has said these words, in this order; rejects if it says another one, fails or ends. */
async function workerThatSaid(words: string[], fixture: string, socket: string): Promise<Worker> {
  const worker = new Worker(path.join(FIXTURES, fixture), { workerData: socket, execArgv: [] });
  const heard: unknown[] = [];
  for await (const [word] of on(worker, "message", { close: ["exit"] })) {
    heard.push(word);
    if (heard.length === words.length || word !== words[heard.length - 1]) break;
  }
  expect(heard).toEqual(words);
  return worker;
}

function primaryIn(socket: string): Promise<Worker> {
  return workerThatSaid(["loaded", "ready"], "worker-primary.mjs", socket);
}

describe("a primary in a worker that is terminated", () => {
  it("leaves a stale socket: secondaries are told so, and the next primary takes it over, in this process too", async () => {
    const socket = freshPath();
    const worker = await primaryIn(socket);
    using peer = await connect(socket);
    await worker.terminate();
    expect(existsSync(socket)).toBe(true);
    await expectError(() => peer.group(7), "ECONNREFUSED");
    using primary = await TestPrimary.start({ path: socket });
    expect((await peer.group(7)).number).toBe(7);
    expect(primary.path).toBe(socket);
  });

  it("also in the middle of a takeover: nobody has to wait for the lock of a thread that is gone", async () => {
    const socket = freshPath();
    for (let round = 0; round < 3; round++) {
      // Ended while it loads its modules, Node.js itself would leave one of their files open.
      const worker = await workerThatSaid(["loaded"], "worker-primary.mjs", socket);
      await worker.terminate();
    }
    using primary = await TestPrimary.start({ path: socket });
    using peer = await connect(primary.path);
    expect(peer.closed).toBe(false);
  });
});

describe("a secondary in a worker that is terminated", () => {
  it("holds its lease no more: the primary unmaps the memory", async () => {
    using _container = new WatchedKernel();
    using primary = await TestPrimary.start();
    const worker = await workerThatSaid(["ready"], "worker-secondary.mjs", primary.path);
    expect(primary.server.leases).toHaveLength(1);
    await worker.terminate();
    expect((await primary.told(3)).at(-1)).toBe("lease ended: left");
    expect(primary.server.leases).toEqual([]);
  });
});
