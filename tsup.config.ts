import { defineConfig } from "tsup";
import { assemblyScriptInBuild } from "./tools/workspace/src/build/assembly-script.js";

/** For a package with a configuration of its own. */
export { assemblyScriptInBuild };

// ESM only: Node's own require(esm) serves CommonJS users, so there is one copy of every class.
export default defineConfig({
  entry: ["src/index.ts"],
  format: ["esm"],
  target: "node20",
  dts: true,
  // No source maps: what is built reads like the sources, and they would be a tenth of the package.
  clean: true,
  esbuildPlugins: [assemblyScriptInBuild()],
  plugins: [{ name: "class-names", renderChunk: (code) => ({ code: withClassNames(code) }) }],
});

/**
 * esbuild makes `var Container = class _Container`, and that is the name people would see. Its own remedy (`keepNames`)
 * defines the name of every closure anew whenever one is made, which costs as much as a system call.
 */
function withClassNames(code: string): string {
  const names = [...code.matchAll(/^var (\w+) = class _\1\b/gm)].flatMap(([, name]) => name ?? []);
  return names.reduce((text, name) => text.replaceAll(new RegExp(`\\b_${name}\\b`, "g"), `${name}`), code);
}
