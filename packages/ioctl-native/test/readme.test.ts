import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { BUILT, resultOfChild } from "./support/elsewhere.js";

const readme = readFileSync(path.join(import.meta.dirname, "../README.md"), "utf8");
const programs = [...readme.matchAll(/## ([^\n]+)\n(?:(?!\n## )[^])*?```ts\n([^]*?)```/g)];

/** What an example prints, line by line, and what its comments say that it prints. */
function run(program: string): { printed: unknown; promised: string[] } {
  const target = ts.ScriptTarget.ES2022;
  const { outputText } = ts.transpileModule(program, {
    compilerOptions: { target, module: ts.ModuleKind.ESNext },
  });
  const code = outputText.replaceAll(`"@vfio/ioctl-native"`, JSON.stringify(BUILT));
  const collect = `const lines = []; console.log = (...words) => lines.push(words.join(" "));`;
  const report = `process.on("exit", () => process.stdout.write(JSON.stringify(lines)));`;
  const promised = [...program.matchAll(/console\.log\(.*\); \/\/ (.+)/g)].map((match) => match[1]!);
  return { printed: resultOfChild(`${collect} ${report}\n${code}`), promised };
}

describe("every example of the README runs, and prints what it says", () => {
  it("there are five of them", () => expect(programs).toHaveLength(5));

  it.each(programs.map(([, title, program]) => [title!, program!] as const))("%s", (_, program) => {
    const { printed, promised } = run(program);
    expect(printed).toEqual(promised);
  });
});

describe("every error code of the sources is in the README's table", () => {
  it("and none that does not exist", () => {
    const inReadme = new Set(readme.match(/ERR_VFIO_[A-Z_]+/g));
    const folder = path.join(import.meta.dirname, "..");
    const built = readdirSync(path.join(folder, "dist"), { encoding: "utf8", recursive: true }).filter(
      (file) => file.endsWith(".js"),
    );
    const files = [...built.map((file) => `dist/${file}`), "native/src/registers.cc"].map((file) =>
      path.join(folder, file),
    );
    const inSources = new Set(
      files.flatMap((file) => readFileSync(file, "utf8").match(/ERR_VFIO_[A-Z_]+/g) ?? []),
    );
    expect([...inReadme].sort()).toEqual([...inSources].sort());
  });
});
