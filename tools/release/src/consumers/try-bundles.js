/** Programs of one file, made by each bundler, and moved away from where they were made. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { Consumer } from "./consumer.js";
import { installed } from "../programs/installed.js";
import { nodeBinaries } from "../programs/nodes.js";
import * as programs from "./programs.js";
import { freshEnvironment } from "../run.js";

const PREBUILT = "node_modules/@vfio/ioctl-native/prebuilds/linux-x64-glibc/ioctl-native.node";
const VARIABLE = "VFIO_IOCTL_NATIVE_ADDON";

/**
 * How each bundles `program.mjs`, in a process of its own, since the bundlers are not this project's packages.
 * @type {Record<string, { file: string, make: string }>}
 */
const BUNDLERS = {
  "esbuild, ESM": { file: "bundle.mjs", make: esbuild("esm") },
  "esbuild, CommonJS": { file: "bundle.cjs", make: esbuild("cjs") },
  webpack: {
    file: "bundle.cjs",
    make: `const output = { path: path.dirname(out), filename: path.basename(out) };
      const compiler = use("webpack")({ mode: "production", target: "node", entry: input, output });
      await new Promise((resolve, reject) => compiler.run((error, stats) =>
        error || stats.hasErrors() ? reject(error ?? new Error(stats.toString())) : resolve()));`,
  },
  "Rollup, ESM": { file: "bundle.mjs", make: rollup("es") },
  "Rollup, CommonJS": { file: "bundle.cjs", make: rollup("cjs") },
};

/** @param {string} format */
function esbuild(format) {
  return `await use("esbuild").build({ entryPoints: [input], outfile: out, bundle: true, platform: "node",
    format: "${format}", logLevel: "error" });`;
}

/** @param {string} format */
function rollup(format) {
  return `const { nodeResolve } = use("@rollup/plugin-node-resolve");
    const bundle = await use("rollup").rollup({ input, plugins: [nodeResolve()], external: /^node:/ });
    await bundle.write({ file: out, format: "${format}" });`;
}

/**
 * @param {import("./consumer.js").Surroundings} surroundings
 * @returns {import("./try-consumers.js").Trial[]}
 */
export function inBundles(surroundings) {
  const bundled = Object.entries(BUNDLERS).map(([name, { file, make }]) => ({
    consumer: "bundle",
    how: `${name}: without the addon one clear error, with it named or beside it works`,
    run: async () => {
      const { folder, addon, stranger } = await carriedAway(surroundings, file, make);
      await saysAndWorks(stranger, [process.execPath, path.join(folder, file)], { folder, addon });
    },
  }));
  return [...bundled, singleExecutable(surroundings)];
}

/**
 * The newest Node.js makes one of itself and of a bundle.
 * @param {import("./consumer.js").Surroundings} surroundings
 * @returns {import("./try-consumers.js").Trial}
 */
function singleExecutable(surroundings) {
  const node = nodeBinaries().at(-1)?.path ?? process.execPath;
  return {
    consumer: "bundle",
    how: "single executable (--build-sea): the same",
    run: async () => {
      const { folder, addon, stranger } = await carriedAway(surroundings, "bundle.cjs", esbuild("cjs"));
      const output = path.join(folder, "program");
      const main = path.join(folder, "bundle.cjs");
      stranger.write("sea.json", JSON.stringify({ main, output, disableExperimentalSEAWarning: true }));
      await stranger.run(node, ["--build-sea", "sea.json"]);
      rmSync(main);
      await saysAndWorks(stranger, [output], { folder, addon });
    },
  };
}

/**
 * A bundle in a folder where no package is installed, and the addon elsewhere.
 * @param {import("./consumer.js").Surroundings} surroundings
 * @param {string} file
 * @param {string} make
 */
async function carriedAway(surroundings, file, make) {
  const stranger = new Consumer(surroundings);
  await stranger.install(["@vfio/ioctl-native"]);
  stranger.write("program.mjs", programs.TRIES_AN_EVENTFD);
  const folder = path.join(stranger.folder, "away");
  mkdirSync(folder);
  stranger.write(
    "make.mjs",
    `import { createRequire } from "node:module";
    import path from "node:path";
    const use = createRequire(${JSON.stringify(path.join(installed("bundlers"), "use.js"))});
    const input = path.resolve("program.mjs"), out = ${JSON.stringify(path.join(folder, file))};
    ${make}`,
  );
  await stranger.run(process.execPath, ["make.mjs"]);
  const addon = path.join(stranger.folder, "addon.node");
  cpSync(path.join(stranger.folder, PREBUILT), addon);
  // Webpack writes the source's path into the bundle: even if it exists, the bundle must not use it.
  rmSync(path.join(stranger.folder, "node_modules"), { recursive: true });
  return { folder, addon, stranger };
}

/**
 * @param {Consumer} stranger
 * @param {[string, ...string[]]} command
 * @param {{ folder: string, addon: string }} places
 */
async function saysAndWorks(stranger, [command, ...args], { folder, addon }) {
  const run = async (/** @type {string} */ named) =>
    JSON.parse(await stranger.run(command, args, freshEnvironment({ [VARIABLE]: named })));
  for (const named of ["", "/no/such/addon.node"]) {
    const { code, message, hint } = await run(named);
    assert.equal(code, "ERR_VFIO_ADDON_UNAVAILABLE");
    assert.ok(message.includes(named === "" ? "is not installed where this program is" : named), message);
    assert.ok(
      hint.includes(VARIABLE) && hint.includes(named === "" ? `ioctl-native.node into ${folder}` : ""),
      hint,
    );
  }
  assert.deepEqual(await run(addon), { count: 3 });
  cpSync(addon, path.join(folder, "ioctl-native.node"));
  assert.deepEqual(await run(""), { count: 3 });
}
