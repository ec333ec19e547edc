/** A published package as the registry has it: its files, and the linters' findings. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { installed } from "../programs/installed.js";
import { run } from "../run.js";

/** @typedef {import("../consumers/consumer.js").Surroundings} Surroundings */

/**
 * @param {Surroundings} surroundings
 * @param {string} name
 * @returns {Promise<{ tarball: string, files: string[], manifest: Record<string, unknown> }>}
 */
export async function download({ folder, registry, signal }, name) {
  const target = path.join(folder, "tarballs", name);
  mkdirSync(target, { recursive: true });
  await run("npm", ["pack", name, "--pack-destination", target], { cwd: target, env: registry.env, signal });
  const tarball = path.join(target, readdirSync(target)[0] ?? "");
  await run("tar", ["-xzf", tarball], { cwd: target, signal });
  const entries = readdirSync(path.join(target, "package"), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(path.join(target, "package"), path.join(entry.parentPath, entry.name)));
  const manifest = JSON.parse(readFileSync(path.join(target, "package/package.json"), "utf8"));
  return { tarball, files: files.sort(), manifest };
}

/**
 * @param {Surroundings} surroundings
 * @param {{ tarball: string, files: string[], manifest: Record<string, unknown> }} published
 */
export async function lintPackage({ folder, signal }, { tarball, files, manifest }) {
  for (const file of ["LICENSE", "README.md", "CHANGELOG.md"]) assert.ok(files.includes(file), `no ${file}`);
  assert.ok(manifest["repository"], "no repository");
  const tool = (/** @type {string} */ name) => path.join(installed("toolbox"), ".bin", name);
  await run(tool("publint"), ["run", tarball, "--strict"], { cwd: folder, signal });
  // ESM only, on purpose: every supported Node.js can require() it, as the consumers show.
  await run(tool("attw"), [tarball, "--profile", "esm-only"], { cwd: folder, signal });
}
