import { rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import type { PipelineEvent } from "../src/pipeline/events.js";
import { RoleProcess } from "../src/pipeline/role-process.js";

const LISTENING = { event: "listening", role: "primary", path: "/run/socket" };
const STAYS = "setInterval(() => {}, 1000)";
const ignore = (): void => {};

function node(script: string): [string, ...string[]] {
  return [process.execPath, "-e", script];
}

/** Rejections that nobody handled while something ran. */
async function unhandledDuring(work: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const take = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", take);
  await work();
  // Node tells of them after the microtasks of the turn in which they happened.
  await new Promise((resolve) => setImmediate(resolve));
  process.removeListener("unhandledRejection", take);
  return unhandled;
}

describe("given a role's process", () => {
  it("its events are handed on, and it went well if its exit code is 0", async () => {
    const events: PipelineEvent[] = [];
    const role = new RoleProcess(node(`console.log(${JSON.stringify(JSON.stringify(LISTENING))})`), {
      onEvent: (event) => events.push(event),
    });

    expect(await role.ended).toBe(true);

    expect(await role.listening).toBe(true);
    expect(events).toEqual([LISTENING]);
  });

  it("it did not go well, and never listened, if its exit code is another", async () => {
    const role = new RoleProcess(node("process.exit(3)"), { onEvent: ignore });

    expect(await role.ended).toBe(false);
    expect(await role.listening).toBe(false);
  });

  it("a signal that is aborted later ends it", async () => {
    const ending = new AbortController();
    const role = new RoleProcess(node(STAYS), { onEvent: ignore, signal: ending.signal });

    ending.abort();

    expect(await role.ended).toBe(false);
  });

  it("a signal that was aborted before ends it at once", async () => {
    const role = new RoleProcess(node(STAYS), { onEvent: ignore, signal: AbortSignal.abort() });

    expect(await role.ended).toBe(false);
    expect(await role.listening).toBe(false);
  });
});

describe("given a program that cannot be started", () => {
  it("the error names it, and no rejection goes unhandled", async () => {
    const unhandled = await unhandledDuring(async () => {
      const role = new RoleProcess(["/does/not/exist"], { onEvent: ignore });

      expect(await role.listening).toBe(false);
      expect(await rejectionOf(role.ended)).toMatchObject({
        code: "ENOENT",
        message: "spawn /does/not/exist ENOENT",
      });
    });

    expect(unhandled).toEqual([]);
  });
});
