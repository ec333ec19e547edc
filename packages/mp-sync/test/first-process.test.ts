import { EventEmitter } from "node:events";
import { beforeEach, describe, expect, it } from "vitest";
import { FirstProcess } from "../src/primary/first-process.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const microtasks = (): Promise<void> => Promise.resolve();

/** Emits signals as `process` does, and notes the code that it is ended with. */
class Signalled extends EventEmitter {
  readonly codes: number[] = [];
  readonly handled: string[] = [];

  exit(code: number): void {
    this.codes.push(code);
  }

  /** A handler of the program's own. */
  readonly handle = (signal: string): void => void this.handled.push(signal);

  get listening(): number[] {
    return SIGNALS.map((signal) => this.listenerCount(signal));
  }
}

let signalled: Signalled;
let first: FirstProcess;
beforeEach(() => {
  signalled = new Signalled();
  first = new FirstProcess(signalled);
  first.listen();
});

describe("the first process of a container", () => {
  it.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])("that handles no signals is ended by %s with %i, as a shell would say it", (signal, code) => {
    signalled.emit(signal, signal);
    expect(signalled.codes).toEqual([code]);
  });

  it("that handles a signal itself is left alone with it, and the other signals end it", async () => {
    signalled.on("SIGTERM", signalled.handle);
    await microtasks();
    signalled.emit("SIGTERM", "SIGTERM");
    expect([signalled.handled, signalled.codes]).toEqual([["SIGTERM"], []]);
    signalled.emit("SIGINT", "SIGINT");
    expect(signalled.codes).toEqual([130]);
  });

  it("that handled it before is left alone, too", () => {
    const other = new Signalled();
    other.on("SIGTERM", other.handle);
    new FirstProcess(other).listen();
    expect(other.listening).toEqual([1, 1, 1]);
    other.emit("SIGTERM", "SIGTERM");
    expect([other.handled, other.codes]).toEqual([["SIGTERM"], []]);
  });

  it("that handles a signal once tidies up at the first and is ended by the second", async () => {
    signalled.once("SIGTERM", signalled.handle);
    await microtasks();
    signalled.emit("SIGTERM", "SIGTERM");
    expect([signalled.handled, signalled.codes]).toEqual([["SIGTERM"], []]);
    signalled.emit("SIGTERM", "SIGTERM");
    expect([signalled.handled, signalled.codes]).toEqual([["SIGTERM"], [143]]);
  });

  it("with a library that leaves when it is the only listener is ended by the signal that it sends again", async () => {
    signalled.on("SIGTERM", function leave(signal: string) {
      if (signalled.listenerCount(signal) > 1) return;
      signalled.off(signal, leave);
      signalled.emit(signal, signal);
    });
    await microtasks();
    signalled.emit("SIGTERM", "SIGTERM");
    expect(signalled.codes).toEqual([143]);
  });

  it("with two copies of this one is ended once, also when the first has nothing to do any more", () => {
    const second = new FirstProcess(signalled);
    second.listen();
    expect(signalled.listening).toEqual([1, 1, 1]);
    first.unlisten();
    expect(signalled.listening).toEqual([1, 1, 1]);
    signalled.emit("SIGINT", "SIGINT");
    expect(signalled.codes).toEqual([130]);
    second.unlisten();
    expect(signalled.listening).toEqual([0, 0, 0]);
  });

  it("whose listeners for a signal are all removed is ended by it", () => {
    signalled.removeAllListeners("SIGTERM");
    signalled.emit("SIGTERM", "SIGTERM");
    expect(signalled.codes).toEqual([143]);
  });

  it("with nothing to tidy up any more has none of our listeners left", async () => {
    signalled.on("SIGTERM", signalled.handle);
    first.unlisten();
    await microtasks();
    expect(signalled.listening).toEqual([0, 1, 0]);
    expect(["newListener", "removeListener"].map((name) => signalled.listenerCount(name))).toEqual([0, 0]);
  });
});
