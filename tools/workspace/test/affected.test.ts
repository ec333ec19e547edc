import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { LAYERS } from "../src/layers.js";

const root = path.resolve(import.meta.dirname, "../../..");

function nx(...args: string[]): string {
  return execFileSync(process.execPath, [path.join(root, "node_modules/.bin/nx"), ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** The projects that Nx would run after a change of one file. */
function affectedBy(file: string): string[] {
  return (JSON.parse(nx("show", "projects", "--affected", `--files=${file}`, "--json")) as string[]).sort();
}

/** What each project depends on, as `npx nx graph` has it. */
function graphOfProjects(): Record<string, string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "graph-"));
  try {
    const file = path.join(folder, "graph.json");
    nx("graph", `--file=${file}`);
    const { graph } = JSON.parse(readFileSync(file, "utf8")) as {
      graph: { dependencies: Record<string, { target: string }[]> };
    };
    const targets = Object.entries(graph.dependencies).map(
      ([name, dependencies]) => [name, dependencies.map(({ target }) => target)] as const,
    );
    return Object.fromEntries(targets);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("given a change in one package", () => {
  it.each([
    ["packages/dma/src/runs.ts", ["@vfio/dma", "@vfio/examples", "@vfio/workspace"]],
    ["packages/examples/src/edu.ts", ["@vfio/examples"]],
    [
      "packages/ioctl-native/native/src/files.cc",
      [
        "@vfio/dma",
        "@vfio/examples",
        "@vfio/ioctl-native",
        "@vfio/mp-sync",
        "@vfio/pci-bar",
        "@vfio/vfio-core",
        "@vfio/workspace",
      ],
    ],
    ["tools/lab/src/machine.ts", ["@vfio/examples", "@vfio/lab", "@vfio/workspace"]],
  ])("%s: only that package and what depends on it runs", (file, projects) => {
    expect(affectedBy(file)).toEqual(projects);
  });
});

describe("given the graph of the projects", () => {
  it("it shows exactly the layers, apart from what the tests share", () => {
    const graph = graphOfProjects();

    const shown = Object.keys(LAYERS).map((name) => {
      const below = (graph[name] ?? []).filter((target) => target !== "@vfio/test-support");
      return [name, below.sort()] as const;
    });
    const wanted = Object.entries(LAYERS).map(([name, below]) => [name, [...below].sort()] as const);

    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(wanted));
  });
});
