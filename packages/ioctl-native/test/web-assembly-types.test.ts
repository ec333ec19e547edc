import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";
import { BUILT } from "./support/elsewhere.js";

const BESIDE = path.join(import.meta.dirname, "user.ts");
const OPTIONS: ts.CompilerOptions = {
  ...{ target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.NodeNext, strict: true, noEmit: true },
  ...{ skipLibCheck: true, types: ["node"] },
};

/** What TypeScript says against a program. */
function complaints(program: string, lib: string[]): string[] {
  const host = ts.createCompilerHost(OPTIONS);
  const { getSourceFile } = host;
  host.getSourceFile = (name, ...rest) =>
    name === BESIDE
      ? ts.createSourceFile(name, program, ts.ScriptTarget.ES2023)
      : getSourceFile(name, ...rest);
  const made = ts.createProgram([BESIDE], { ...OPTIONS, lib }, host);
  return ts
    .getPreEmitDiagnostics(made)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
}

const WITHOUT = ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"];
const TYPES = JSON.stringify(fileURLToPath(BUILT));

it("given a program with the types of WebAssembly, a memory is what its modules import", () => {
  const program = `import { LinearMemory } from ${TYPES};
    const { memory, buffer } = new LinearMemory({ bytes: 65536 });
    export const instance = (module: WebAssembly.Module) => new WebAssembly.Instance(module, { env: { memory } });
    export const shared: SharedArrayBuffer = buffer;`;

  expect(complaints(program, [...WITHOUT, "lib.dom.d.ts"])).toEqual([]);
});

it("given a program without them, a memory has its buffer", () => {
  const program = `import { LinearMemory } from ${TYPES};
    export const shared: SharedArrayBuffer = new LinearMemory({ bytes: 65536 }).memory.buffer;
    export const wrong: string = shared;`;

  expect(complaints(program, WITHOUT)).toEqual([
    "Type 'SharedArrayBuffer' is not assignable to type 'string'.",
  ]);
});
