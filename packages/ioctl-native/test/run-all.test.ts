import { errorOf } from "@vfio/test-support";
import { expect, it } from "vitest";
import { runAll } from "../src/index.js";

const failing = (message: string) => () => {
  throw new Error(message);
};

it("given several things to give back, all are, also behind one that fails; then its error is thrown as it is", () => {
  const done: number[] = [];

  const error = errorOf(() => runAll([() => done.push(1), failing("it resists"), () => done.push(2)]));

  expect(done).toEqual([1, 2]);
  expect(error.message).toBe("it resists");
});

it("given several that fail, no error is lost", () => {
  const error = errorOf(() => runAll([failing("one"), failing("two")])) as AggregateError;

  expect(error.errors.map(({ message }: Error) => message)).toEqual(["one", "two"]);
});

it("given none that fails, nothing is thrown", () => {
  expect(runAll([])).toBeUndefined();
});
