/**
 * AssemblyScript in the packages: `import code from "./name.wasm"` is `name.as.ts`, compiled. The build writes the bytes
 * into the package's JavaScript, so a bundle has them, too; tests compile what they import. TypeScript finds the
 * import's type in `name.d.wasm.ts`.
 */
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import path from "node:path";
import { keptBy } from "./module-sections.js";

export const FLAGS = [
  "-O3",
  ...["--runtime", "stub"],
  ...["--enable", "threads"],
  "--importMemory",
  "--sharedMemory",
  "--noExportMemory",
  ...["--initialMemory", "1"],
  ...["--maximumMemory", "65536"],
];
const SOURCE = ".as.ts";
/** Marks the compiled form among Vite's modules. */
const COMPILED = "?compiled";

export async function compileAssemblyScript(file) {
  // Only here: the compiler is large, and most packages have nothing for it.
  const { default: compiler } = await import("assemblyscript/asc");
  let binary;
  const { error, stderr } = await compiler.main(
    [path.basename(file), "--baseDir", path.dirname(file), "--outFile", "code.wasm", ...FLAGS],
    { writeFile: (_name, contents) => void (binary = contents) },
  );
  if (error !== null) throw new Error(`cannot compile ${file}: ${error.message}\n${stderr.toString()}`);
  const kept = keptBy(binary);
  if (kept.length === 0) return binary;
  throw new Error(
    `${file} keeps ${kept.join(" and ")}, in a place of the memory that other compiled code may use, too. ` +
      "Let its caller pass an address instead",
  );
}

export function assemblyScriptInBuild() {
  return {
    name: "assembly-script",
    setup(build) {
      build.onResolve({ filter: /\.wasm$/ }, ({ path: imported, resolveDir }) => {
        const file = sourceOf(imported, resolveDir);
        return file === undefined ? undefined : { path: file, namespace: "assembly-script" };
      });
      build.onLoad({ filter: /./, namespace: "assembly-script" }, async ({ path: file }) => ({
        contents: await compileAssemblyScript(file),
        loader: "binary",
      }));
    },
  };
}

export function assemblyScriptInTests() {
  return {
    name: "assembly-script",
    enforce: "pre",
    resolveId(imported, importer) {
      if (importer === undefined || !imported.endsWith(".wasm")) return undefined;
      const file = sourceOf(imported, path.dirname(importer));
      return file === undefined ? undefined : `${file}${COMPILED}`;
    },
    async load(id) {
      if (!id.endsWith(`${SOURCE}${COMPILED}`)) return undefined;
      const code = Buffer.from(await compileAssemblyScript(id.slice(0, -COMPILED.length)));
      return `export default Uint8Array.from(Buffer.from("${code.toString("base64")}", "base64"));`;
    },
  };
}

function sourceOf(imported, folder) {
  const file = path.resolve(folder, imported.replace(/\.wasm$/, SOURCE));
  return existsSync(file) ? file : undefined;
}
