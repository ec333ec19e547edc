import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { runInLab } from "@vfio/lab";
import { prebuilds } from "@vfio/release/prebuilds";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ANSWER, PROGRAMS } from "./consumer-programs.js";

const root = path.resolve(import.meta.dirname, "../../..");
/** Not below the repository, where Node.js would find what the packages forgot to declare in the workspace. */
let consumer: string;

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    cwd: consumer,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function pack(name: string): string {
  execFileSync("npm", ["pack", "--pack-destination", consumer], {
    cwd: path.join(root, "packages", name),
    stdio: "ignore",
  });
  return `./${readdirSync(consumer).find((file) => file.startsWith(`vfio-${name}-`)) ?? ""}`;
}

/** Only the compiler and the types of Node.js come from the workspace. */
function compile(file: string): void {
  const types = ["--typeRoots", path.join(root, "node_modules/@types"), "--types", "node"];
  const language = ["--strict", "--target", "es2022", "--lib", "es2023,esnext.disposable"];
  const tsc = path.join(root, "node_modules/typescript/bin/tsc");
  run(process.execPath, tsc, ...language, "--module", "nodenext", ...types, file);
}

// Everything that needs no kernel with VFIO is shown by the rehearsal of a release.
beforeAll(() => {
  prebuilds();
  consumer = mkdtempSync(path.join(tmpdir(), "vfio-consumer-"));
  writeFileSync(path.join(consumer, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  run("npm", "install", "--offline", "--no-audit", "--no-fund", pack("ioctl-native"), pack("dma"));
  for (const [file, text] of Object.entries(PROGRAMS)) writeFileSync(path.join(consumer, file), text);
  compile("typed.mts");
});
afterAll(() => rmSync(consumer, { recursive: true }));

describe("given a project outside the repository that installs only @vfio/dma and what it depends on", () => {
  it("nothing else of ours can be had there", () => {
    const error = "import('@vfio/vfio-core').catch(({ code }) => console.log(code))";

    expect(run(process.execPath, "--eval", error)).toBe("ERR_MODULE_NOT_FOUND\n");
    expect(readdirSync(path.join(consumer, "node_modules/@vfio")).sort()).toEqual(["dma", "ioctl-native"]);
  });

  it("in the lab a device does DMA in memory that it mapped in a container of its own: import, require(), TypeScript", async () => {
    const programs = ["imports.mjs", "requires.cjs", "typed.mjs"];
    const script = programs.map((program) => `"$0" ${program}`).join(" && ");

    const result = await runInLab(["sh", "-c", script, process.execPath], { cwd: consumer });

    expect(result.stderr).toBe("");
    const answers = result.stdout.trim().split("\n");
    expect(answers.map((line) => JSON.parse(line) as unknown)).toEqual(programs.map(() => ANSWER));
  });
});
