import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  compileExamples,
  examplesOfPage,
  examplesOfSource,
  promisedOutput,
  runExample,
  type Example,
} from "../src/docs/examples.js";

const root = path.resolve(import.meta.dirname, "../../..");
const folder = path.join(root, ".results/examples");
const PACKAGES = ["ioctl-native", "vfio-core", "dma", "pci-bar", "mp-sync"];
const given = path.join(root, "tools/workspace/src/docs/given.d.ts");

function filesBelow(place: string, ending: string): string[] {
  return readdirSync(path.join(root, place), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending))
    .map((file) => path.join(place, file))
    .sort();
}

const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const sources = PACKAGES.flatMap((name) => filesBelow(`packages/${name}/src`, ".ts"));
const pages = [
  "README.md",
  "tools/lab/README.md",
  ...filesBelow("docs", ".md").filter((file) => !file.startsWith("docs/site")),
  ...PACKAGES.map((name) => `packages/${name}/README.md`),
];
const inSources = sources.flatMap((file) => examplesOfSource(file, read(file)));
const inPages = pages.flatMap((file) => examplesOfPage(file, read(file)));
const all = [...inSources, ...inPages];
let mistakes = new Map<string, string[]>();

describe("given the examples in TSDoc and in the pages", () => {
  beforeAll(() => {
    mistakes = compileExamples(all, folder, given);
  });

  it.each(PACKAGES)("then %s has some in its sources and in its README", (name) => {
    const named = all.map((each) => each.name).filter((each) => each.startsWith(`packages/${name}/`));
    expect(named.filter((each) => each.includes("/src/")).length).toBeGreaterThan(1);
    expect(named.filter((each) => each.includes("README.md")).length).toBeGreaterThan(0);
  });

  it.each(all.map(({ name }) => name))("then %s compiles", (name) => {
    expect(mistakes.get(name)).toBeUndefined();
  });

  const everywhere = all.filter(({ needs }) => needs === undefined);
  it.each(everywhere)("then $name runs, and prints what it says", (example) => {
    const { status, stdout, stderr } = runExample(example, folder);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout.trim().split("\n")).toEqual(expect.arrayContaining(promisedOutput(example)));
  });
});

describe("given examples that are wrong", () => {
  const scratch = path.join(root, ".results/wrong-examples");
  const page = (code: string): Example =>
    examplesOfPage("page.md", `# A page\n\n\`\`\`ts\n${code}\n\`\`\`\n`)[0]!;

  it("when one has a mistake in its types, then the compiler's words and the line are given", () => {
    const wrong = page('import { normalizeBdf } from "@vfio/vfio-core";\nnormalizeBdf(7);');
    const found = compileExamples([wrong], scratch, given).get("page.md:3");
    expect(found).toEqual([
      "line 2: Argument of type 'number' is not assignable to parameter of type 'string'.",
    ]);
  });

  it("when one prints something else than it says, then that shows", () => {
    const wrong = page("console.log(1 + 1); // 3");
    compileExamples([wrong], scratch, given);
    expect(runExample(wrong, scratch).stdout).toBe("2\n");
    expect(promisedOutput(wrong)).toEqual(["3"]);
  });

  it("when one throws, then its exit status says so", () => {
    const wrong = page('throw new Error("no");');
    compileExamples([wrong], scratch, given);
    const { status, stderr } = runExample(wrong, scratch);
    expect(status).toBe(1);
    expect(stderr).toContain("Error: no");
  });
});

describe("given a page with fences", () => {
  const fence = (code: string): string => `\`\`\`ts\n${code}\n\`\`\`\n`;

  it("when one says what it needs, then it is known not to run everywhere", () => {
    expect(examplesOfPage("page.md", fence("// needs a device\nrun();"))[0]?.needs).toBe("a device");
  });

  it("when one is quoted from the sources, then it is left to them", () => {
    expect(examplesOfPage("page.md", `<!-- code: a.ts file -->\n\n${fence("run();")}`)).toEqual([]);
  });
});

describe("given a source with an example in its TSDoc", () => {
  it("then its code is found, without the comment's stars", () => {
    const source = [
      "/**",
      " * A.",
      " * @example",
      " * ```ts",
      " * a();",
      " * b();",
      " * ```",
      " */",
      "export class A {}",
    ];
    expect(examplesOfSource("a.ts", source.join("\n"))).toEqual([
      { name: "a.ts:3", code: "a();\nb();\n", needs: "the rest of its program" },
    ]);
  });
});
