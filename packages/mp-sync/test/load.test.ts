import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { Child } from "./support/child.js";
import { openFds, someFile } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { memoriesBeyondQueue } from "./support/memories.js";
import { TestPrimary } from "./support/primary.js";

const PROCESSES = 4;
const SECONDARIES = 1000;
const EXCHANGES = 100_000;
const HOSTILE_PROCESSES = 5;
const HOSTILE = 50;
const MIB = 2 ** 20;

useFolder();

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heapInUse(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe("our primary under load", () => {
  it(
    `given ${SECONDARIES} secondaries in a burst (from ${PROCESSES} processes), ${EXCHANGES} exchanges, and ${HOSTILE} hostile clients (from ${HOSTILE_PROCESSES}): every honest one is served, memory and fds stay flat`,
    { timeout: 600_000 },
    async () => {
      using memory = someFile();
      const told = { answered: 0, others: 0 };
      let heapEarly = 0;
      using primary = await TestPrimary.start({
        memories: memoriesBeyondQueue(memory),
        onEvent: (event) => {
          const isHonest = event.type === "answered" && ["container", "group"].includes(event.request.kind);
          told[isHonest ? "answered" : "others"]++;
          if (told.answered === EXCHANGES / 10) heapEarly = heapInUse();
        },
      });
      const hostile = Array.from(
        { length: HOSTILE_PROCESSES },
        () => new Child("hostile.mjs", primary.path, String(HOSTILE / HOSTILE_PROCESSES)),
      );
      await Promise.all(hostile.map(({ firstLine }) => firstLine));
      const before = withoutSockets(openFds());

      const crowds = Array.from(
        { length: PROCESSES },
        () =>
          new Child(
            "crowd.mjs",
            primary.path,
            String(SECONDARIES / PROCESSES),
            String(EXCHANGES / SECONDARIES),
          ),
      );
      const reports = await Promise.all(crowds.map(({ firstLine }) => firstLine));
      expect(reports.map((line) => JSON.parse(line) as unknown)).toEqual(
        Array.from({ length: PROCESSES }, () => ({ served: EXCHANGES / PROCESSES, errors: [], fdsLeft: 0 })),
      );
      await Promise.all([...crowds, ...hostile].map((child) => child[Symbol.asyncDispose]()));

      expect(told.answered).toBe(EXCHANGES);
      expect(told.others).toBeGreaterThan(HOSTILE);
      // Clients of processes that were killed are let go when their ends have been seen.
      await expect.poll(() => primary.server.clients, { timeout: 60_000 }).toBe(0);
      expect(heapInUse() - heapEarly).toBeLessThan(4 * MIB);
      expect(withoutSockets(openFds())).toEqual(before);
    },
  );
});

/** The hostile clients' connections come and go, and so do the pipes of child processes. */
function withoutSockets(fds: readonly string[]): string[] {
  return fds.filter((fd) => !/socket:|pipe:/.test(fd)).map((fd) => fd.replace(/^\d+ /, ""));
}
