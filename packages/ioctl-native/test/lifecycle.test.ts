import { inspect } from "node:util";
import { errorOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { errnoOf, isVfioError, VfioSystemError } from "../src/index.js";
import { addSuppressed, Holds, runAll, undo } from "../src/internal.js";

const failing = (message: string) => () => {
  throw new Error(message);
};

function refused(): VfioSystemError {
  return new VfioSystemError(errnoOf("EBUSY"), { syscall: "open", what: "cannot open the group" });
}

it("given several things to give back, all are, also behind one that fails; then its error is thrown as it is", () => {
  const done: number[] = [];

  const error = errorOf(() => runAll([() => done.push(1), failing("it resists"), () => done.push(2)]));

  expect(done).toEqual([1, 2]);
  expect(error.message).toBe("it resists");
});

it("given several that fail, no error is lost, and together they have a code", () => {
  const error = errorOf(() => runAll([failing("one"), failing("two")])) as AggregateError;

  expect(error.errors.map(({ message }: Error) => message)).toEqual(["one", "two"]);
  expect(error).toMatchObject({
    name: "VfioAggregateError",
    code: "ERR_VFIO_SEVERAL",
    message: "2 resources could not be released: one; two",
  });
  expect([isVfioError(error), error instanceof AggregateError]).toEqual([true, true]);
});

it("given very many that fail, the message names some, and says how many more there are", () => {
  const error = errorOf(() => runAll(Array.from({ length: 500 }, (_, at) => failing(`mapping ${at}`))));

  expect(error.message).toBe(
    "500 resources could not be released: mapping 0; mapping 1; mapping 2; and 497 more",
  );
});

it("given none that fails, nothing is thrown", () => {
  expect(runAll([])).toBeUndefined();
});

describe("given a failure after which what was done before is undone", () => {
  it("it is thrown as it is", () => {
    const failure = refused();
    const done: number[] = [];

    const error = errorOf(() => undo(failure, [() => done.push(1)]));

    expect([error === failure, error.message, done]).toEqual([true, refused().message, [1]]);
  });

  it("also when undoing fails too: its message has both, a person sees both, a program finds the other", () => {
    const failure = refused();
    const done: number[] = [];

    const error = errorOf(() => undo(failure, [failing("one"), () => done.push(1), failing("two")]));

    expect([error === failure, done]).toEqual([true, [1]]);
    const both = `${refused().message}; and undoing the earlier steps failed: one; and undoing the earlier steps failed: two`;
    expect(error).toMatchObject({ code: "EBUSY", errno: -16, message: both });
    const { suppressed } = error as { suppressed?: Error[] };
    expect(suppressed?.map(({ message }) => message)).toEqual(["one", "two"]);
    expect(error.stack).toMatch(/^VfioSystemError: cannot open the group[^\n]*: two\n {4}at /);
    expect(inspect(error)).toContain(both);
  });

  it.each([
    ["a string", "enough"],
    ["undefined", undefined],
    ["a frozen error", Object.freeze(new Error("enough"))],
  ])("which is %s: nothing can be attached to it, so it is the cause", (_, thrown) => {
    const error = errorOf(() => undo(thrown, [failing("it resists")]));

    expect(error.code).toBe("ERR_VFIO_SEVERAL");
    expect(error.message).toMatch(/: it resists$/);
    expect([error.cause === thrown, String(error).includes("it resists")]).toEqual([true, true]);
  });

  it("which is an abort's DOMException: it stays what it was", () => {
    const reason = AbortSignal.abort().reason as DOMException;

    const error = addSuppressed(reason, new Error("it resists"));

    expect([error === reason, error.name]).toEqual([true, "AbortError"]);
    expect(error.message).toBe(
      "This operation was aborted; and undoing the earlier steps failed: it resists",
    );
  });
});

describe("given something that others rely on", () => {
  it("when two rely on it, one of them twice for the same reason, then each reason is told once, in order", () => {
    const holds = new Holds();
    holds.add("a mapped BAR");
    holds.add("a DMA mapping");
    holds.add("a mapped BAR");
    expect(holds.reasons).toEqual(["a mapped BAR", "a DMA mapping"]);
  });

  it("when one lets go, twice, then only its own hold is gone", () => {
    const holds = new Holds();
    const first = holds.add("a mapped BAR");
    holds.add("a mapped BAR");
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(holds.reasons).toEqual(["a mapped BAR"]);
  });
});
