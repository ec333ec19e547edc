/** Whether `npm ci` has anything to do. Nothing here may import an npm package: set-up runs before any is installed. */
import { readFileSync } from "node:fs";
import path from "node:path";

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage
 * @typedef {Record<string, LockedPackage>} LockedPackages by folder, e.g. "node_modules/typescript"; the root's own is "".
 */

/**
 * Whether node_modules is what package-lock.json asks for, whoever installed it. npm writes down what it installed, at
 * the end: an installation that was stopped halfway has not done that.
 * @param {string} root
 * @returns {boolean}
 */
export function packagesAreInstalled(root) {
  const installed = packagesIn(path.join(root, "node_modules/.package-lock.json"));
  const wanted = packagesIn(path.join(root, "package-lock.json"));
  return installed !== undefined && wanted !== undefined && isWhatIsWanted(installed, wanted);
}

/**
 * Nothing if the file is not there or not whole: npm ci mends the one of node_modules, and says what is wrong with ours.
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
 * What is for another platform may be missing; nothing may be there that is not asked for: it could lie in the way.
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
