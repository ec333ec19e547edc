/** Whether `npm ci` has anything to do. Nothing here may import an npm package: set-up runs before any is installed. */
import { readFileSync } from "node:fs";
import path from "node:path";

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage
 * @typedef {Record<string, LockedPackage>} LockedPackages by folder, e.g. "node_modules/typescript"; the root's own is "".
 */

/**
 * Whether node_modules is what package-lock.json asks for, whoever installed it. npm notes at its end what it has
 * installed: an installation stopped halfway left no note.
 * @param {string} root
 * @returns {boolean}
 */
export function packagesAreInstalled(root) {
  const installed = packagesIn(path.join(root, "node_modules/.package-lock.json"));
  const wanted = packagesIn(path.join(root, "package-lock.json"));
  return installed !== undefined && wanted !== undefined && isWhatIsWanted(installed, wanted);
}

/**
 * `undefined` for a missing or broken file: npm ci mends node_modules' own, and reports what is wrong with ours.
 * @param {string} file
 * @returns {LockedPackages | undefined}
 */
function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/**
 * Packages for other platforms may be missing; surplus ones may not be there, as they could be in the way.
 * @param {LockedPackages} installed
 * @param {LockedPackages} wanted
 */
function isWhatIsWanted(installed, wanted) {
  const needed = Object.keys(wanted).filter((folder) => folder !== "" && wanted[folder]?.optional !== true);
  return (
    needed.every((folder) => folder in installed) &&
    Object.keys(installed).every((folder) => isSame(installed[folder], wanted[folder]))
  );
}

/** @param {LockedPackage | undefined} one @param {LockedPackage | undefined} other */
function isSame(one, other) {
  return other !== undefined && one?.version === other.version && one?.integrity === other.integrity;
}
