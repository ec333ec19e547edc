import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ESLint } from "eslint";
import { describe, expect, it } from "vitest";
import { LAYERS, PACKAGE_FOLDERS } from "../src/layers.js";

const root = path.resolve(import.meta.dirname, "../../..");
const names = Object.keys(LAYERS) as (keyof typeof LAYERS)[];
const eslint = new ESLint({ cwd: root });

/** What the linter says of a file with one import, as if it lay in that package. */
async function lint(packageName: keyof typeof LAYERS, imported: string): Promise<string[]> {
  const filePath = path.join(root, PACKAGE_FOLDERS[packageName], "test/breaks-a-rule.mjs");
  const [result] = await eslint.lintText(`import "${imported}";\n`, { filePath });
  return (result?.messages ?? [])
    .filter(({ ruleId }) => ruleId === "no-restricted-imports")
    .map(({ message }) => message);
}

describe("given the layers of the house", () => {
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));

  it.each(pairs)("when %s imports %s, lint allows it exactly if it stands below", async (from, to) => {
    const messages = await lint(from, to);

    const allowed = (LAYERS[from] as readonly string[]).includes(to);
    expect(messages.length).toBe(allowed ? 0 : 1);
    if (!allowed) expect(messages[0]).toContain(`${from} stands beside or below ${to}`);
  });

  it("a source file of dma that imports vfio-core is an error of the real lint run", async () => {
    const filePath = path.join(root, "packages/dma/src/index.ts");
    const code = `import { Container } from "@vfio/vfio-core";\nexport const container = Container.open();\n`;

    const [result] = await eslint.lintText(code, { filePath });

    expect(result?.messages.map(({ ruleId, severity }) => [ruleId, severity])).toContainEqual([
      "no-restricted-imports",
      2,
    ]);
  });

  it("a path into a neighbour's folder is an error too, as is a file deep in an allowed package's neighbour", async () => {
    expect(await lint("@vfio/dma", "../../vfio-core/src/container.js")).toHaveLength(1);
    expect(await lint("@vfio/dma", "../../../packages/pci-bar/src/bar.js")).toHaveLength(1);
    expect(await lint("@vfio/dma", "@vfio/vfio-core/dist/index.js")).toHaveLength(1);
    expect(await lint("@vfio/dma", "../../../tools/workspace/src/layers.js")).toHaveLength(1);
    expect(await lint("@vfio/dma", "@vfio/workspace/layers")).toHaveLength(1);
    expect(await lint("@vfio/dma", "@vfio/test-support/benchmark")).toEqual([]);
    expect(await lint("@vfio/dma", "../src/runs.js")).toEqual([]);
  });

  it.each(names)("%s depends in its package.json on exactly what stands below it, or on less", (name) => {
    const manifest = JSON.parse(
      readFileSync(path.join(root, PACKAGE_FOLDERS[name], "package.json"), "utf8"),
    ) as {
      name: string;
      dependencies?: Record<string, string>;
    };
    const ours = Object.keys(manifest.dependencies ?? {}).filter((each) => each.startsWith("@vfio/"));

    expect(manifest.name).toBe(name);
    expect(LAYERS[name]).toEqual(expect.arrayContaining(ours));
  });

  it("ioctl-native is the only package with C++", () => {
    const files = execFileSync("git", ["ls-files", "*.cc", "*.h", "*.gyp"], { cwd: root, encoding: "utf8" })
      .trim()
      .split("\n");

    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !/^packages\/ioctl-native\/(native|test)\/|\/bench\//.test(file))).toEqual(
      [],
    );
  });
});
