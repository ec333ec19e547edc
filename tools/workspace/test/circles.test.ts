import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { cruise, type IConfiguration, type ICruiseResult, type IForbiddenRuleType } from "dependency-cruiser";
import { afterAll, describe, expect, it } from "vitest";
import config from "../../../.dependency-cruiser.mjs";

const root = path.resolve(import.meta.dirname, "../../..");
const scratch = mkdtempSync(path.join(tmpdir(), "circles-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** What breaks a rule below a folder: the rule, and the file it begins with. */
async function broken(folder: string): Promise<string[]> {
  const { forbidden, options } = config as IConfiguration & { forbidden: IForbiddenRuleType[] };
  const places = ["packages", "tools"];
  const { output } = await cruise(places, {
    ...options,
    baseDir: folder,
    ruleSet: { forbidden },
    validate: true,
  });
  const { summary } = output as ICruiseResult;
  expect(summary.totalCruised).toBeGreaterThan(1);
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

/** A workspace with these files. */
function workspace(name: string, files: Record<string, string>): string {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.join(scratch, name, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(scratch, name, file), text);
  }
  mkdirSync(path.join(scratch, name, "tools"), { recursive: true });
  return path.join(scratch, name);
}

describe("given all packages and tools", () => {
  it("then no import leads back to where it began, and no source needs a tool", async () => {
    expect(await broken(root)).toEqual([]);
  });
});

describe("given a package with two files", () => {
  const one = 'import type { Two } from "./two.js";\nexport interface One { two: Two }\n';

  it("when each imports a type of the other, then that is a circle", async () => {
    const two = 'import type { One } from "./one.js";\nexport interface Two { one?: One }\n';
    const folder = workspace("circle", { "packages/a/src/one.ts": one, "packages/a/src/two.ts": two });

    expect(await broken(folder)).toContain("no-circular: packages/a/src/one.ts → packages/a/src/two.ts");
  });

  it("when one imports the other, then all is well", async () => {
    const two = "export interface Two { one?: number }\n";
    const folder = workspace("straight", { "packages/a/src/one.ts": one, "packages/a/src/two.ts": two });

    expect(await broken(folder)).toEqual([]);
  });

  it("when its source imports a tool, then that is an error; its benchmark may", async () => {
    const uses = 'import { help } from "../../../tools/t/help.mjs";\nhelp();\n';
    const folder = workspace("tool", {
      "packages/a/src/one.js": uses,
      "packages/a/bench/one.bench.mjs": uses,
      "tools/t/help.mjs": "export function help() {}\n",
    });

    expect(await broken(folder)).toEqual(["no-tool-in-a-source: packages/a/src/one.js → tools/t/help.mjs"]);
  });
});
