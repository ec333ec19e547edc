import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { quote, quotesOf, refreshQuotes } from "../src/docs/quoted-code.js";

const root = path.resolve(import.meta.dirname, "../../..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");

describe("given the pages that quote code", () => {
  it.each(["docs/walkthrough.md", "docs/hot-loops.md", "README.md"])(
    "then %s quotes it as the sources have it",
    (file) => {
      const page = read(file);
      expect(quotesOf(page).length).toBeGreaterThan(0);
      expect(refreshQuotes(page, root)).toBe(page);
    },
  );

  it("then the walk-through has all ten steps of the primary, in order", () => {
    const steps = quotesOf(read("docs/walkthrough.md")).filter((quoted) =>
      quoted.includes("primary.ts step"),
    );
    expect(steps.map((quoted) => Number(quoted.split(" ").at(-1)))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("then the walk-through has every step of the secondary, in order", () => {
    const source = read("packages/examples/src/pipeline/secondary.ts");
    const titles = [...source.matchAll(/report\.task\(\s*("[^"]+")/g)].map((match) => match[1]);
    const quoted = quotesOf(read("docs/walkthrough.md")).flatMap(
      (each) => /secondary\.ts task (.+)/.exec(each)?.[1] ?? [],
    );
    expect(quoted).toEqual(titles);
  });
});

describe("given a source with steps", () => {
  const source = [
    "async function run(report: Reporter) {",
    '  const first = report.step(1, "one", () => open());',
    "  // What the second step needs.",
    "  using helper = new Helper();",
    "  await report.task(",
    '    "two",',
    "    async () => await helper.work(),",
    "  );",
    "}",
    "",
  ].join("\n");

  it("when a step is quoted, then it stands at the left margin, without its report", () => {
    expect(quote(source, "step 1")).toBe("const first = open();");
  });

  it("when a task is quoted, then what stands between it and the step before comes along, comments too", () => {
    expect(quote(source, 'task "two"')).toBe(
      ["// What the second step needs.", "using helper = new Helper();", "await helper.work();"].join("\n"),
    );
  });

  it("when a function is quoted, then it is whole", () => {
    expect(quote(source, "function run")).toBe(source.trimEnd());
  });

  it.each(["step 2", 'task "three"', "function walk"])(
    "when %s is quoted, then it is an error",
    (selector) => {
      expect(() => quote(source, selector)).toThrow("to quote");
    },
  );
});
