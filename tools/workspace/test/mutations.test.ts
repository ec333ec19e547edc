import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { applied, changesOf, described } from "../src/mutate/changes.js";
import { sample } from "../src/mutate/sample.js";
import { attempt, buildOf, partsOf } from "../src/mutate/try-change.js";

/** Each change of a source, as it then reads. */
function changed(text: string): string[] {
  return changesOf(text).map((change) => applied(text, change));
}

describe("given a source text, the small changes to it", () => {
  it.each([
    ["a < b;", ["a <= b;"]],
    ["a !== b;", ["a === b;"]],
    ["a && b;", ["a || b;"]],
    ["n += m;", ["n -= m;"]],
    ["-n;", ["n;"]],
    ["++n;", ["--n;"]],
    ["if (a) b;", ["if (true) b;", "if (false) b;"]],
    ["const c = a ? b : d;", ["const c = true ? b : d;", "const c = false ? b : d;"]],
    ["const c = !a;", ["const c = a;"]],
    ["close(a);", [";"]],
    ["await this.close();", [";"]],
    ["a = 0x1000;", ["a = 4097;"]],
    ["a = 1_000n;", ["a = 1001n;"]],
    ["a = true;", ["a = false;"]],
  ])("of %s", (text, expected) => expect(changed(text)).toEqual(expected));

  it.each([
    "import a from 'b';",
    "let a: 1 | 2;",
    "a = `${b}` + c;",
    "class A extends B { constructor() { super(); } }",
  ])("there are none of %s", (text) => expect(changed(text)).toEqual([]));

  it("each is told with its line, before and after", () => {
    const text = "one;\n\nclose(\n  a,\n);\n";
    const [change] = changesOf(text);

    expect(described(text, change!)).toEqual({ line: 3, before: "close( a, );", after: ";" });
  });
});

describe("given a seed", () => {
  const all = Array.from({ length: 1000 }, (_, index) => index);

  it("the same ones are chosen each time, in their order and none twice; another seed chooses others", () => {
    const chosen = sample(all, 40, 7);

    expect(chosen).toEqual(sample(all, 40, 7));
    expect(chosen).toEqual([...new Set(chosen)].sort((one, other) => one - other));
    expect(chosen).toHaveLength(40);
    expect(sample(all, 40, 8)).not.toEqual(chosen);
  });

  it("a smaller sample is a part of a larger one", () => {
    expect(sample(all, 40, 7)).toEqual(expect.arrayContaining(sample(all, 10, 7)));
  });

  it("if there are fewer, all are chosen", () => expect(sample([1, 2], 40, 7)).toEqual([1, 2]));
});

describe("given how long each test file took", () => {
  const ran = (file: string, ms: number) => ({
    name: `/package/test/${file}`,
    startTime: 7,
    endTime: 7 + ms,
  });

  it("the slow ones are run after the others", () => {
    const testResults = [ran("load.test.ts", 60_000), ran("a.test.ts", 6000), ran("b.test.ts", 200)];

    expect(partsOf("/package", { testResults })).toEqual([
      { ms: 6200, without: ["test/load.test.ts"] },
      { ms: 60_000, without: ["test/a.test.ts", "test/b.test.ts"] },
    ]);
  });

  it("where none is slow, all are run at once", () => {
    expect(partsOf("/package", { testResults: [ran("a.test.ts", 100)] })).toEqual([{ ms: 100, without: [] }]);
  });
});

describe("given a package with several entry points", () => {
  it.each(["ioctl-native", "mp-sync", "pci-bar"])(
    "all of %s are built, for the build removes the rest",
    (name) => {
      const folder = path.resolve(import.meta.dirname, "../../../packages", name);
      const { exports } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as {
        exports: Record<string, { "@vfio/source"?: string }>;
      };
      const sources = Object.values(exports).flatMap(
        (entry) => entry["@vfio/source"]?.slice("./".length) ?? [],
      );

      expect(sources.length).toBeGreaterThan(1);
      expect(buildOf(folder)).toEqual(expect.arrayContaining(sources));
    },
  );
});

describe("given a run of the tests", () => {
  const node = (program: string) => [process.execPath, "-e", program];
  const limits = { limitMs: 20_000, signal: new AbortController().signal };

  it.each([
    ["ends well: the change survived", "0", "survived"],
    ["fails: it was noticed", "process.exit(1)", "noticed"],
    [
      "takes memory for ever: it was noticed",
      "for (const all = [];;) all.push(new Uint8Array(2 ** 28))",
      "noticed",
    ],
  ] as const)("it %s", async (_what, program, expected) => {
    expect(await attempt(node(program), "/", limits)).toBe(expected);
  });

  it("it loops: it is ended when its time is up", async () => {
    expect(await attempt(node("for (;;);"), "/", { ...limits, limitMs: 500 })).toBe("timed out");
  });

  it("somebody ends all of it: that is no outcome", async () => {
    const reason = new Error("ended by Ctrl-C");
    await expect(
      attempt(node("for (;;);"), "/", { ...limits, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });
});
