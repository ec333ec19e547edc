/** All kinds of consumers of a release, tried one after the other. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { Consumer } from "./consumer.js";
import { importTime } from "./import-time.js";
import { installed } from "../programs/installed.js";
import { nodeBinaries } from "../programs/nodes.js";
import * as programs from "./programs.js";
import { inBundles } from "./try-bundles.js";
import { inOtherRuntimes } from "./try-runtimes.js";

/** The largest size of @vfio/dma with its dependencies. */
const INSTALL_LIMIT_BYTES = 1_000_000;
/** The most time that importing it may add to the start of Node.js. The limit leaves room for a busy machine. */
const IMPORT_GOAL_MS = 15;
const IMPORT_LIMIT_MS = 60;

const ADDON = "node_modules/@vfio/ioctl-native";

/** The optional peer comes from this workspace: the registry has only our own packages. */
const HEADERS = path.join(import.meta.dirname, "../../../../node_modules/node-addon-api");
const BUILDS_IF_ASKED = {
  dependencies: { "@vfio/dma": "*", "node-addon-api": `file:${HEADERS}` },
  scripts: { postinstall: "ioctl-native --if-asked" },
};

/** @typedef {import("./consumer.js").Surroundings} Surroundings */
/** @typedef {{ consumer: string, how: string, run: () => Promise<string | void> }} Trial */

/**
 * @param {Surroundings} surroundings
 * @param {readonly string[]} everything the names of all published packages.
 * @returns {Trial[]}
 */
export function trials(surroundings, everything) {
  return [
    ...nodeBinaries().flatMap((node) => onNode(surroundings, everything, node)),
    ...typed(surroundings),
    ...withAndWithoutCompiler(surroundings),
    ...elsewhere(surroundings),
    ...inOtherRuntimes(surroundings),
    ...inBundles(surroundings),
    ...measured(surroundings),
  ];
}

/**
 * @param {Surroundings} surroundings
 * @param {readonly string[]} everything
 * @param {{ version: string, path: string }} node
 * @returns {Trial[]}
 */
function onNode(surroundings, everything, { version, path: node }) {
  const trial = (
    /** @type {string} */ consumer,
    /** @type {readonly string[]} */ packages,
    /** @type {string[]} */ expected,
  ) => ({
    consumer,
    how: `Node.js ${version}: import, require(), system calls`,
    run: async () => {
      const stranger = new Consumer(surroundings);
      await stranger.install(packages, { node });
      assert.deepEqual(stranger.installed().sort(), [...expected].sort());
      await importsAndRequires(stranger, node, packages);
      await usesTheAddon(stranger, node);
    },
  });
  return [
    trial("only @vfio/dma", ["@vfio/dma"], ["@vfio/dma", "@vfio/ioctl-native"]),
    trial("everything", everything, [...everything]),
  ];
}

/** @param {Consumer} stranger @param {string} node @param {readonly string[]} packages */
async function importsAndRequires(stranger, node, packages) {
  for (const name of packages) {
    const imported = `import * as it from "${name}"; console.log(Object.keys(it).sort().join());`;
    const required = `console.log(Object.keys(require("${name}")).sort().join());`;
    const byImport = await stranger.run(node, ["--input-type=module", "-e", imported]);
    const byRequire = await stranger.run(node, ["--input-type=commonjs", "-e", required]);
    assert.notEqual(byImport.trim(), "");
    // require() of a module adds a mark.
    assert.equal(byRequire.replace("__esModule,", ""), byImport);
  }
}

/** @param {Consumer} stranger @param {string} node @param {NodeJS.ProcessEnv} [env] */
async function usesTheAddon(stranger, node, env) {
  stranger.write("program.mjs", programs.USES_THE_ADDON);
  const printed = await stranger.run(node, ["program.mjs", "wait"], env);
  assert.deepEqual(JSON.parse(printed), { arch: "x64", ...programs.ITS_ANSWER });
}

/** @param {Surroundings} surroundings @returns {Trial[]} */
function typed(surroundings) {
  const resolutions = [
    ["node16", "node16"],
    ["esnext", "bundler"],
  ];
  return ["5", "6"].flatMap((major) =>
    resolutions.map(([module = "", resolution = ""]) => ({
      consumer: "TypeScript",
      how: `${versionOfTypeScript(major)}, moduleResolution ${resolution}`,
      run: async () => {
        const stranger = new Consumer(surroundings);
        await stranger.install(["@vfio/dma"]);
        await compiles(stranger, programs.TYPED, { major, module, resolution });
      },
    })),
  );
}

/** @param {string} major */
function versionOfTypeScript(major) {
  const manifest = path.join(installed("toolbox"), `typescript-${major}/package.json`);
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}

/**
 * @param {Consumer} stranger
 * @param {string} program
 * @param {{ major?: string, module?: string, resolution?: string }} [compiler]
 */
async function compiles(stranger, program, { major = "5", module = "node16", resolution = "node16" } = {}) {
  stranger.write("typed.mts", program);
  const toolbox = installed("toolbox");
  const options = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2023,esnext.disposable"];
  const types = ["--typeRoots", path.join(toolbox, "@types"), "--types", "node"];
  const modules = ["--module", module, "--moduleResolution", resolution];
  const tsc = path.join(toolbox, `typescript-${major}/bin/tsc`);
  await stranger.run(process.execPath, [tsc, ...options, ...types, ...modules, "typed.mts"]);
}

/** @param {Surroundings} surroundings @returns {Trial[]} */
function withAndWithoutCompiler(surroundings) {
  return [
    {
      consumer: "no compiler",
      how: "PATH with nothing but Node.js: the prebuilt binary",
      run: async () => {
        const stranger = new Consumer(surroundings);
        const PATH = path.join(stranger.folder, "empty");
        mkdirSync(PATH);
        await stranger.install(["@vfio/dma"], { env: { PATH } });
        await usesTheAddon(stranger, process.execPath, { PATH });
      },
    },
    {
      consumer: "--build-from-source",
      how: "npm install with that flag, and a postinstall of one's own",
      run: async () => {
        const stranger = new Consumer(surroundings, BUILDS_IF_ASKED);
        await stranger.install([], { args: ["--build-from-source"] });
        await usesItsOwnBuild(stranger);
      },
    },
    {
      consumer: "npx ioctl-native",
      how: "compiled at one's own wish; without the flag, installing compiles nothing",
      run: async () => {
        const stranger = new Consumer(surroundings, BUILDS_IF_ASKED);
        await stranger.install([]);
        assert.equal(existsSync(path.join(stranger.folder, ADDON, "native/build")), false);
        await stranger.run("npx", ["ioctl-native"]);
        await usesItsOwnBuild(stranger);
      },
    },
  ];
}

/** @param {Consumer} stranger */
async function usesItsOwnBuild(stranger) {
  rmSync(path.join(stranger.folder, ADDON, "prebuilds"), { recursive: true });
  await usesTheAddon(stranger, process.execPath);
}

/** @param {Surroundings} surroundings @returns {Trial[]} */
function elsewhere(surroundings) {
  const installedElsewhere = async () => {
    const stranger = new Consumer(surroundings);
    await stranger.install(["@vfio/dma"], { args: ["--os=darwin", "--cpu=arm64"] });
    stranger.write("elsewhere.mjs", programs.ON_ANOTHER_PLATFORM);
    return stranger;
  };
  return [
    {
      consumer: "unsupported platform",
      how: "simulated: it loads, and the first system call is one clear error",
      run: async () => {
        const stranger = await installedElsewhere();
        stranger.write("program.mjs", programs.TRIES_A_SYSTEM_CALL);
        const printed = await stranger.run(process.execPath, ["--import", "./elsewhere.mjs", "program.mjs"]);
        const { message, hint, ...rest } = JSON.parse(printed);
        assert.deepEqual(rest, { class: "function", constants: true, code: "ERR_VFIO_ADDON_UNAVAILABLE" });
        assert.equal(message, `VFIO is a part of Linux, and this is darwin-arm64. ${hint}`);
      },
    },
    {
      consumer: "unsupported platform",
      how: "types only: they compile, and the program runs without the addon",
      run: async () => {
        const stranger = await installedElsewhere();
        rmSync(path.join(stranger.folder, ADDON, "prebuilds"), { recursive: true });
        await compiles(stranger, programs.TYPES_ONLY);
        const imported = 'await import("@vfio/dma");';
        const args = ["--import", "./elsewhere.mjs", "--input-type=module", "-e", imported];
        await stranger.run(process.execPath, args);
      },
    },
  ];
}

/** @param {Surroundings} surroundings @returns {Trial[]} */
function measured(surroundings) {
  return [
    {
      consumer: "install size",
      how: `@vfio/dma with its dependency, at most ${INSTALL_LIMIT_BYTES} bytes`,
      run: async () => {
        const stranger = new Consumer(surroundings);
        await stranger.install(["@vfio/dma"]);
        const bytes = stranger.installedBytes();
        assert.ok(bytes <= INSTALL_LIMIT_BYTES, `${bytes} bytes`);
        return `${bytes} bytes`;
      },
    },
    {
      consumer: "import time",
      how: `of @vfio/dma over an empty start; the goal is ${IMPORT_GOAL_MS} ms, an error above ${IMPORT_LIMIT_MS}`,
      run: async () => {
        const stranger = new Consumer(surroundings);
        await stranger.install(["@vfio/dma"]);
        const { processor, clock } = importTime("@vfio/dma", stranger.folder);
        assert.ok(processor <= IMPORT_LIMIT_MS, `${processor.toFixed(1)} ms`);
        return `${processor.toFixed(1)} ms of the processor, ${clock.toFixed(1)} ms by the clock`;
      },
    },
  ];
}
