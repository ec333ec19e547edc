/** A release of a copy of this repository: versions, changelogs, build, prebuilt binaries, publishing. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { copyRepository } from "./copy-repository.js";
import { freshEnvironment, run } from "../run.js";

const root = path.resolve(import.meta.dirname, "../../../..");

/** @typedef {{ name: string, folder: string, version: string, before: string }} Released */

/**
 * @param {string} copy the folder for the copy, which must not exist.
 * @param {import("./registry.js").Registry} registry
 * @param {(step: string) => void} report
 * @param {AbortSignal} signal
 * @returns {Promise<Released[]>} every published package.
 */
export async function makeRelease(copy, registry, report, signal) {
  report("copying the repository");
  await copyRepository(copy, signal);
  const before = versions(copy);
  report("versions and changelogs, from the changesets");
  await runTool("changeset", ["version"], copy, freshEnvironment(), signal);
  report("building, for every platform");
  const env = freshEnvironment({ NX_CACHE_DIRECTORY: path.join(root, ".nx/cache"), NX_DAEMON: "false" });
  const targets = ["run-many", "-t", "build", "prebuilds", "--outputStyle=static"];
  await runTool("nx", [...targets, `--projects=${[...before.keys()].join(",")}`], copy, env, signal);
  report(`publishing to ${registry.url}`);
  await runTool("changeset", ["publish", "--no-git-tag"], copy, registry.env, signal);
  return [...versions(copy)].map(([name, { folder, version }]) => {
    return { name, folder, version, before: before.get(name)?.version ?? "" };
  });
}

/** The packages that are not private. @param {string} repository */
function versions(repository) {
  const packages = path.join(repository, "packages");
  const folders = readdirSync(packages).filter((name) =>
    existsSync(path.join(packages, name, "package.json")),
  );
  const manifests = folders.map((folder) => {
    /** @type {{ name: string, version: string, private?: boolean }} */
    const manifest = JSON.parse(readFileSync(path.join(packages, folder, "package.json"), "utf8"));
    return { ...manifest, folder: path.join(packages, folder) };
  });
  return new Map(manifests.filter((each) => each.private !== true).map((each) => [each.name, each]));
}

/**
 * @param {string} name
 * @param {string[]} args
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} env
 * @param {AbortSignal} signal
 */
function runTool(name, args, cwd, env, signal) {
  return run(path.join(root, "node_modules/.bin", name), args, { cwd, env, signal });
}
