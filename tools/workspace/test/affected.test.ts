import { execFileSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");

/** The projects that Nx would run after a change of one file. */
function affectedBy(file: string): string[] {
  const nx = path.join(root, "node_modules/.bin/nx");
  const output = execFileSync(
    process.execPath,
    [nx, "show", "projects", "--affected", `--files=${file}`, "--json"],
    {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  return (JSON.parse(output) as string[]).sort();
}

describe("given a change in one package", () => {
  it.each([
    ["packages/dma/src/runs.ts", ["@vfio/dma", "@vfio/examples"]],
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
