import { getEventListeners } from "node:events";
import { errorOf, rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Deadline } from "../src/internal.js";

const timeUp = () => new Error("the time is up");

describe("given a deadline", () => {
  it("it is not over before its time, nor for signals that are not aborted or not there", async () => {
    using deadline = new Deadline(60_000, timeUp, new AbortController().signal, undefined);

    deadline.check();
    await deadline.pause(1);
  });

  it("it is over when one of its signals is aborted, and says its reason, whoever asks", async () => {
    const stop = new AbortController();
    using deadline = new Deadline(Infinity, timeUp, undefined, new AbortController().signal, stop.signal);
    const reasons: unknown[] = [];
    deadline.onOver((reason) => reasons.push(reason));
    const reason = new Error("enough");

    stop.abort(reason);

    expect(reasons).toEqual([reason]);
    expect(errorOf(() => deadline.check())).toBe(reason);
    expect(await rejectionOf(deadline.pause(60_000))).toBe(reason);
  });

  it("it ends a pause at once: by its time, a signal, or by being ended", async () => {
    const stop = new AbortController();
    using byTime = new Deadline(5, timeUp);
    using bySignal = new Deadline(Infinity, timeUp, stop.signal);
    using byHand = new Deadline(Infinity, timeUp);
    const pauses = [byTime, bySignal, byHand].map((deadline) => rejectionOf(deadline.pause(2 ** 31 - 1)));

    stop.abort(new Error("by the signal"));
    byHand.end(new Error("by hand"));

    const ends = await Promise.all(pauses);
    expect(ends.map(({ message }) => message)).toEqual(["the time is up", "by the signal", "by hand"]);
  });

  it("the first reason counts, and a listener that was removed hears of none", () => {
    using deadline = new Deadline(Infinity, timeUp);
    const heard: unknown[] = [];
    deadline.onOver((reason) => heard.push(reason))();

    for (const reason of ["first", "second"]) deadline.end(new Error(reason));

    expect(errorOf(() => deadline.check()).message).toBe("first");
    expect(heard).toEqual([]);
  });

  it("a time above Node's longest timer is not up at once", async () => {
    using deadline = new Deadline(2 ** 31, timeUp);

    await deadline.pause(20);
  });

  it("disposed of, it leaves no listener at its signals", () => {
    const { signal } = new AbortController();
    const deadline = new Deadline(60_000, timeUp, signal);
    deadline.onOver(() => undefined);
    const during = getEventListeners(signal, "abort").length;

    deadline[Symbol.dispose]();

    expect([during, getEventListeners(signal, "abort").length]).toEqual([1, 0]);
  });
});
