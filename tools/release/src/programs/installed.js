/**
 * Tools too heavy for the root's `npm ci`. Each set is a folder here with its own package.json and lock file, installed
 * into the user's cache on first use.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { npmComplaint } from "@vfio/set-up/npm-complaint.js";

/** The contents of each set, for the person who waits for its download. */
const SETS = {
  nodes: "each major version of Node.js that is supported (200 MB)",
  "node-arm64": "Node.js for arm64 (40 MB)",
  "bun-musl": "Bun for musl (45 MB)",
  runtimes: "Bun and Deno (85 MB)",
  bundlers: "what makes one file of a program (15 MB)",
  toolbox: "a registry, TypeScript and linters for the rehearsal of a release (80 MB)",
};

const FILES = ["package.json", "package-lock.json", ".npmrc"];

/**
 * Installs the packages of a set if needed.
 * @param {keyof typeof SETS} set
 * @returns {string} its node_modules folder.
 * @throws {Error} with npm's output, if they cannot be installed.
 */
export function installed(set) {
  const source = path.join(import.meta.dirname, "../..", set);
  const lock = readFileSync(path.join(source, "package-lock.json"));
  const target = path.join(
    cacheFolder(),
    `${set}-${createHash("sha256").update(lock).digest("hex").slice(0, 12)}`,
  );
  if (!existsSync(target)) install(set, source, target);
  return path.join(target, "node_modules");
}

function cacheFolder() {
  const base = process.env["XDG_CACHE_HOME"];
  const root = base !== undefined && path.isAbsolute(base) ? base : path.join(os.homedir(), ".cache");
  return path.join(root, "vfio-release");
}

/**
 * Installs beside the target and renames at the end: another process sees all or nothing.
 * @param {keyof typeof SETS} set
 * @param {string} source
 * @param {string} target
 */
function install(set, source, target) {
  mkdirSync(path.dirname(target), { recursive: true });
  const draft = mkdtempSync(`${target}.draft-`);
  try {
    for (const file of FILES) cpSync(path.join(source, file), path.join(draft, file));
    process.stderr.write(`Downloading ${SETS[set]}, once …\n`);
    npmCi(draft);
    renameUnlessThere(draft, target);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** @param {string} folder */
function npmCi(folder) {
  // --force: npm refuses a package for another processor, and node-arm64 is one.
  const args = ["ci", "--force", "--ignore-scripts", "--no-audit", "--no-fund"];
  const { status, stdout, stderr, error } = spawnSync("npm", args, { cwd: folder, encoding: "utf8" });
  if (status === 0) return;
  throw new Error(`npm ci failed in ${folder}: ${error?.message ?? npmComplaint(`${stdout}${stderr}`)}`);
}

/** @param {string} draft @param {string} target */
function renameUnlessThere(draft, target) {
  try {
    renameSync(draft, target);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}
