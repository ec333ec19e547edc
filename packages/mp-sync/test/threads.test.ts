import { existsSync } from "node:fs";
import { once } from "node:events";
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
  await (await workerWith("worker-primary.mjs", freshPath())).terminate();
});
expectNoFdLeft();

async function workerWith(fixture: string, socket: string): Promise<Worker> {
  const worker = new Worker(path.join(FIXTURES, fixture), { workerData: socket, execArgv: [] });
  await new Promise<void>((resolve) => worker.on("message", (word) => word === "ready" && resolve()));
  return worker;
}

describe("a primary in a worker that is terminated", () => {
  it("leaves a stale socket: secondaries are told so, and the next primary takes it over, in this process too", async () => {
    const socket = freshPath();
    const worker = await workerWith("worker-primary.mjs", socket);
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
      const worker = new Worker(path.join(FIXTURES, "worker-primary.mjs"), {
        workerData: socket,
        execArgv: [],
      });
      // Ended while it loads its modules, Node.js itself would leave one of their files open.
      await once(worker, "message");
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
    const worker = await workerWith("worker-secondary.mjs", primary.path);
    expect(primary.server.leases).toHaveLength(1);
    await worker.terminate();
    expect((await primary.told(3)).at(-1)).toBe("lease ended: left");
    expect(primary.server.leases).toEqual([]);
  });
});
