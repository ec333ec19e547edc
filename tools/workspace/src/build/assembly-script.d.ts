import type { Options } from "tsup";
import type { Plugin } from "vitest/config";

/** As in docs/hot-loops.md; a test compares. Any `LinearMemory` has so many pages. */
export declare const FLAGS: readonly string[];

/**
 * Compiles one file.
 * @throws Error with the compiler's words; for code that keeps something outside its arguments.
 */
export declare function compileAssemblyScript(file: string): Promise<Uint8Array>;

/** For tsup: esbuild's own loader embeds the bytes. */
export declare function assemblyScriptInBuild(): NonNullable<Options["esbuildPlugins"]>[number];

/** For Vitest, which runs the sources. */
export declare function assemblyScriptInTests(): Plugin;
