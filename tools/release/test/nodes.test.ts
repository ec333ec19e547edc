import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { nodeBinaries } from "../src/programs/nodes.js";

describe("given the Node.js versions that the library supports", () => {
  it("each is a program that runs, and says the version it was asked for", () => {
    const nodes = nodeBinaries();

    expect(nodes.map(({ major }) => major)).toEqual([20, 22, 24, 26]);
    for (const { path, version } of nodes)
      expect(execFileSync(path, ["--version"], { encoding: "utf8" }).trim()).toBe(`v${version}`);
  });
});
