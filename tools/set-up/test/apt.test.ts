import { describe, expect, test } from "vitest";
import { aptGet } from "../src/apt.js";

const busy = { code: 100, stderr: "E: Could not get lock /var/lib/apt/lists/lock. It is held by 42" };
const patience = { forMs: 3, silentMs: 1, pauseMs: 1 };

/** A machine whose apt-get answers this, one call after the other, and then the last for ever. */
function machine(...answers: { code: number; stdout?: string; stderr?: string }[]) {
  const said: string[] = [];
  const calls: string[] = [];
  const run = (program: string, args: readonly string[]) => {
    const answer = answers[Math.min(calls.length, answers.length - 1)];
    calls.push([program, ...args].join(" "));
    return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answer });
  };
  return { run, calls, said, report: (message: string) => void said.push(message) };
}

describe("given another apt that is at work", () => {
  test("it reads the package lists just now: it is waited for, although apt itself would fail", async () => {
    const host = machine(busy, busy, { code: 0, stdout: "done" });
    expect(await aptGet(host, ["update"], host, patience)).toMatchObject({ code: 0, stdout: "done" });
    expect(host.calls).toHaveLength(3);
    expect(host.said).toEqual([`Waiting for another apt to end: ${busy.stderr.slice(3)}`]);
  });

  test("it is soon done: nobody is told of it", async () => {
    const host = machine(busy, { code: 0 });
    expect(await aptGet(host, ["update"], host, patience)).toMatchObject({ code: 0 });
    expect([host.calls.length, host.said]).toEqual([2, []]);
  });

  test("it never ends: its lock is the error in the end, and an abort ends the wait at once", async () => {
    const host = machine(busy);
    const ended = await aptGet(host, ["update"], host, { forMs: 2, silentMs: 1, pauseMs: 1 });
    expect(ended).toMatchObject(busy);
    expect(host.calls).toHaveLength(3);
    const signal = AbortSignal.timeout(10);
    await expect(aptGet(host, ["update"], { report: host.report, signal })).rejects.toThrow("aborted");
  });
});
