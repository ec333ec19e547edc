import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "tsup";
import { assemblyScriptInBuild, compileAssemblyScript, FLAGS } from "../src/build/assembly-script.js";

const root = path.resolve(import.meta.dirname, "../../..");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "assembly-script-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const ADD = "export function add(one: u32, other: u32): u32 {\n  return one + other;\n}\n";

describe("given AssemblyScript", () => {
  it("when it works on its arguments and the memory, then it is compiled, and needs only the memory", async () => {
    const file = written(
      "good.as.ts",
      "const LIMIT: u32 = 7;\nexport function f(at: usize): u32 {\n  return atomic.load<u32>(at) & LIMIT;\n}\n",
    );
    const code = await compileAssemblyScript(file);
    expect([...code.subarray(0, 4)]).toEqual([0, ...Buffer.from("asm")]);
    expect(Buffer.from(code).includes("memory")).toBe(true);
  });

  it.each([
    ["a string", "data", 'export function f(): string {\n  return "text";\n}\n'],
    [
      "a table",
      "data",
      "const t: StaticArray<u8> = [1, 2];\nexport function f(i: u32): u8 {\n  return t[i];\n}\n",
    ],
    ["a variable", "variables", "let n: u32 = 0;\nexport function f(): u32 {\n  return ++n;\n}\n"],
    [
      "an object",
      "variables",
      "class A {\n  n: u32 = 1;\n}\nexport function f(): A {\n  return new A();\n}\n",
    ],
  ])(
    "when it has %s of its own, then it is refused, since threads would share the place",
    async (_, kept, text) => {
      const file = written("keeps.as.ts", text);
      await expect(compileAssemblyScript(file)).rejects.toThrow(new RegExp(`keeps.as.ts keeps .*${kept}`));
    },
  );

  it("when it has a mistake, then the compiler's words and the place are given", async () => {
    const file = written("wrong.as.ts", "export function f(): u32 {\n  return missing;\n}\n");
    await expect(compileAssemblyScript(file)).rejects.toThrow(/Cannot find name 'missing'[^]*wrong\.as\.ts/);
  });

  it("when there is no such file, then that is said", async () => {
    await expect(compileAssemblyScript(path.join(folder, "none.as.ts"))).rejects.toThrow("none.as.ts");
  });
});

describe("given a source that imports AssemblyScript", () => {
  it("when it is built, then the code lies in its JavaScript", async () => {
    written("package.json", '{ "type": "module" }');
    written("add.as.ts", ADD);
    written("index.ts", 'export { default as code } from "./add.wasm";\n');
    const options = { entry: [path.join(folder, "index.ts")], outDir: path.join(folder, "dist") };
    const plugins = { esbuildPlugins: [assemblyScriptInBuild()] };
    await build({ ...options, ...plugins, format: ["esm"], config: false, silent: true });

    const built = pathToFileURL(path.join(folder, "dist/index.js")).href;
    const { code } = (await import(/* @vite-ignore */ built)) as { code: Uint8Array };
    expect([...code]).toEqual([...(await compileAssemblyScript(path.join(folder, "add.as.ts")))]);
  });
});

describe("given the page about hot loops", () => {
  it("then the command that it gives compiles with the flags of the build", () => {
    const page = readFileSync(path.join(root, "docs/hot-loops.md"), "utf8").replaceAll(/ \\\n +/g, " ");
    expect(page).toContain(`npx asc packet-filter.as.ts --outFile packet-filter.wasm ${FLAGS.join(" ")}\n`);
  });
});
