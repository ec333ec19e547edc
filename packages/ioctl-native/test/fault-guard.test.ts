import { describe, expect, it } from "vitest";
import { nativeProgram } from "./support/native-program.js";

const run = nativeProgram("fault-guard", ["fault-guard.cc"]);

describe("memory that goes away under a guarded range", () => {
  it("reads as ones, keeps what is written, and is noted", () => {
    expect(run("own")).toEqual({ printed: "0 ffffffff 1 7 ff", end: 0 });
  });

  it("is told from that of others, however many there are", () => {
    expect(run("many")).toEqual({ printed: "0", end: 0 });
  });

  it("of a gigabyte does not use up the process's areas of memory", () => {
    expect(run("large")).toEqual({ printed: "0 1", end: 0 });
  });

  it("reads as ones in all threads at once, while other ranges come and go", () => {
    expect(run("threads")).toEqual({ printed: "0", end: 0 });
  });

  it("ends the process once the range is not guarded any more", () => {
    expect(run("ended")).toEqual({ printed: "1 ffffffff 1", end: "SIGBUS" });
  });
});

describe("a fault elsewhere", () => {
  it.each([
    ["ends the process as it would have", "elsewhere", "", "SIGBUS"],
    ["goes to whoever had the signal before, with all that the kernel tells", "elsewhere, info", "0 1", 0],
    ["the same if that one wants no more than the number", "elsewhere, plain", "0 0", 0],
    ["that one's wish to be called once is heard", "elsewhere, once", "0 0", "SIGBUS"],
    ["ends the process where the signal was ignored, as the kernel does", "elsewhere, ignored", "", "SIGBUS"],
    [
      "handled by one who wanted a single call, leaves the guard on",
      "own, after elsewhere, once",
      "0 0\n0 ffffffff 1 7 ff",
      0,
    ],
  ])("%s", (_title, scenario, printed, end) => {
    expect(run(scenario)).toEqual({ printed, end });
  });
});

describe("somebody who takes the signal after the guard", () => {
  it("has what is not the guard's from the next range on, and no more", () => {
    expect(run("replaced")).toEqual({ printed: "ffffffff 0 1", end: 0 });
  });

  it("and passes on, as another copy of the guard does, is passed each fault once, and the guard's former next", () => {
    expect(run("circle, with one before")).toEqual({ printed: "0 1 1\n0 1 2", end: 0 });
  });

  it("the same without a former: the fault ends the process, as it would have", () => {
    expect(run("circle")).toEqual({ printed: "", end: "SIGBUS" });
  });

  it("or gives it to the kernel, has it taken back when the guard is asked to, which takes nothing before its first range", () => {
    expect(run("reset")).toEqual({ printed: "0 ffffffff", end: 0 });
  });
});

describe("the signal sent by somebody", () => {
  it("ends the process", () => {
    expect(run("sent")).toEqual({ printed: "", end: "SIGBUS" });
  });

  it("is ignored where it was", () => {
    expect(run("sent, ignored")).toEqual({ printed: "lives", end: 0 });
  });
});
