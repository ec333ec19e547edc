/**
 * Debian's packages for missing programs. Nothing here may import an npm package: set-up runs before any is installed.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { install, installCommand } from "./apt.js";
import { findProgram, runToEnd } from "./run-program.js";

/** Another try cannot help: the message says what to type. */
export class PackagesMissing extends Error {}

/**
 * Installs missing packages.
 * @param {Record<string, string>} wanted Debian's package for each program on PATH, or file.
 * @param {string} purpose e.g. "Compiling the addon".
 * @throws {PackagesMissing} with the command to type, if this user may not install packages.
 * @throws {Error} with apt-get's output, if it failed.
 */
export async function ensureDebianPackages(wanted, purpose) {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    throw new PackagesMissing(
      `${purpose} needs ${missing.join(", ")}. Type: ${installCommand(missing, false)}`,
    );
  const report = (/** @type {string} */ line) => void process.stderr.write(`${line}\n`);
  report(`Installing from Debian: ${missing.join(", ")}`);
  const failed = await install({ run: runToEnd }, missing, { report });
  if (failed !== undefined) throw new Error(`${failed.command} failed: ${failed.stdout}${failed.stderr}`);
}

/** @param {Record<string, string>} wanted */
function missingPackages(wanted) {
  return Object.entries(wanted)
    .filter(([file]) => !isThere(file))
    .map(([, debianPackage]) => debianPackage);
}

/** @param {string} file */
function isThere(file) {
  return path.isAbsolute(file) ? existsSync(file) : findProgram(file, []) !== undefined;
}
