import { describe, expect, it } from "vitest";
import { parseEvent, type PipelineEvent } from "../src/pipeline/events.js";
import { Reporter, StepFailed } from "../src/pipeline/reporter.js";
import { pipelineWentWell } from "../src/report/document.js";
import { terminalOf } from "../src/report/terminal.js";
import { duration, TextReport } from "../src/report/text.js";

const steps = (count: number): PipelineEvent[] =>
  Array.from({ length: count }, (_, index) => ({
    event: "step",
    role: "primary",
    number: index + 1,
    title: `step ${index + 1}`,
    facts: { bdf: "0000:00:10.0", list: ["a", "b", "c", "d"] },
    ms: 1234.5,
  }));
const failure: PipelineEvent = {
  event: "failed",
  role: "secondary",
  title: "get the group",
  error: { name: "VfioError", code: "ERR_VFIO_GROUP_REFUSED", message: "the primary knows no group 9" },
};

describe("given the events of a run", () => {
  it("ten steps and no failure went well; nine steps, or a failure, did not", () => {
    expect(pipelineWentWell(steps(10))).toBe(true);
    expect(pipelineWentWell(steps(9))).toBe(false);
    expect(pipelineWentWell([...steps(10), failure])).toBe(false);
  });

  it("lines that are no events are told apart from those that are", () => {
    expect(parseEvent(JSON.stringify(failure))).toEqual(failure);
    expect(parseEvent("    at Object.<anonymous>")).toBeUndefined();
    expect(parseEvent('{"event":')).toBeUndefined();
  });
});

describe("given a step", () => {
  it("its result is handed on, and its facts and time are reported", () => {
    const events: PipelineEvent[] = [];
    const report = new Reporter("primary", (event) => events.push(event));

    expect(
      report.step(
        1,
        "count",
        () => 3,
        (count) => ({ count }),
      ),
    ).toBe(3);

    expect(events).toMatchObject([
      { event: "step", role: "primary", number: 1, title: "count", facts: { count: 3 } },
    ]);
  });

  it("its failure is reported once, with code and message, and ends the run", async () => {
    const events: PipelineEvent[] = [];
    const report = new Reporter("primary", (event) => events.push(event));
    const broken = Object.assign(new Error("no such device"), { code: "ERR_VFIO_NO_SUCH_DEVICE" });

    await expect(report.task("look", () => Promise.reject(broken))).rejects.toBeInstanceOf(StepFailed);

    expect(events).toMatchObject([
      { event: "failed", error: { code: "ERR_VFIO_NO_SUCH_DEVICE", message: "no such device" } },
    ]);
  });
});

describe("given a step whose result was there before its facts could not be found out", () => {
  const unreadable = (): never => {
    throw new Error("sysfs is gone");
  };

  it("the result is disposed of, and the step has failed", () => {
    const events: PipelineEvent[] = [];
    const report = new Reporter("primary", (event) => events.push(event));
    let disposals = 0;
    const resource = { [Symbol.dispose]: () => disposals++ };

    expect(() => report.step(7, "get the device fd", () => resource, unreadable)).toThrow(StepFailed);

    expect(disposals).toBe(1);
    expect(events).toMatchObject([{ event: "failed", number: 7, error: { message: "sysfs is gone" } }]);
  });

  it("a task's result is waited for if it closes in its own time", async () => {
    const events: PipelineEvent[] = [];
    const report = new Reporter("primary", (event) => events.push(event));
    let disposals = 0;
    const server = { [Symbol.asyncDispose]: async () => disposals++ };

    await expect(report.task("serve", () => server, unreadable)).rejects.toBeInstanceOf(StepFailed);

    expect(disposals).toBe(1);
    expect(events).toMatchObject([{ event: "failed", title: "serve" }]);
  });

  it.each([3, null, undefined, "text", [1]])("a result that owns nothing (%j) only fails", async (result) => {
    const report = new Reporter("primary", () => {});

    expect(() => report.step(2, "count", () => result, unreadable)).toThrow(StepFailed);
    await expect(report.task("count", () => result, unreadable)).rejects.toBeInstanceOf(StepFailed);
  });
});

describe("given a report for people", () => {
  function textOf(events: readonly PipelineEvent[], colors: boolean, columns?: number): string {
    let text = "";
    const report = new TextReport((more) => (text += more), { colors, columns });
    for (const event of events) report.event(event);
    report.summary({
      ok: true,
      where: "lab",
      device: "edu",
      kernel: "6.12",
      phases: [],
      events,
      totalMs: 2500,
    });
    return text;
  }

  it("each step stands with its number, facts and time; long lists are shortened", () => {
    const text = textOf(steps(10), false);

    expect(text).toContain("✓ 10 step 10 1.2 s");
    expect(text).toContain("bdf 0000:00:10.0 · list a, b, c, and 1 more");
    expect(text).toContain("The whole pipeline ran");
  });

  it("a failure stands with its message, and the summary does not say that all went well", () => {
    const text = textOf([...steps(2), failure], false);

    expect(text).toContain("the primary knows no group 9");
    expect(text).toContain("did not run to its end");
  });

  it("there are colours only when asked for", () => {
    const escape = String.fromCharCode(27);
    expect(textOf(steps(1), false)).not.toContain(escape);
    expect(textOf(steps(1), true)).toContain(escape);
  });

  it("the table fits the terminal: the steps' words go on in the next line", () => {
    const long: PipelineEvent = {
      ...steps(1)[0]!,
      title: "do a thing that takes many words to tell",
    } as PipelineEvent;
    const table = textOf([long], false, 60)
      .split("\n")
      .filter((line) => /^[┌│├└]/.test(line));

    expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(table.length).toBeGreaterThan(5);
    expect(table.join("")).toMatch(/do a thing.*many/);
  });

  it.each([
    ["a terminal", true, {}, { colors: true, columns: 80 }],
    ["a dumb terminal", true, { TERM: "dumb" }, { colors: false, columns: 80 }],
    ["a person who wants none", true, { NO_COLOR: "1" }, { colors: false, columns: 80 }],
    ["NO_COLOR that is empty", true, { NO_COLOR: "", TERM: "xterm" }, { colors: true, columns: 80 }],
    ["a file", false, {}, { colors: false, columns: undefined }],
  ])("for %s, colours and width are what it can show", (_whom, isTTY, environment, expected) => {
    expect(terminalOf({ isTTY, columns: 80 }, environment)).toEqual(expected);
  });

  it("times are read at a glance", () => {
    expect([duration(0.4), duration(999), duration(61_000)]).toEqual(["0 ms", "999 ms", "61.0 s"]);
  });
});
