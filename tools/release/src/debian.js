/**
 * Debian's packages for programs that are not there. Nothing here may import an npm package: set-up runs before any is
 * installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** Seconds that another apt may take, and after how many we say what is waited for. */
const PATIENCE_S = 300;
const SILENCE_S = 3;

/** Another try cannot mend this: the message says what to type. */
export class PackagesMissing extends Error {}

/**
 * Installs what is missing, or says what to type.
 * @param {Record<string, string>} wanted Debian's package for each program on PATH, or file.
 * @param {string} purpose e.g. "Compiling the addon".
 * @throws {PackagesMissing} with the command to type, if this user may not install packages.
 * @throws {Error} with apt-get's own words, if it failed.
 */
export function ensureDebianPackages(wanted, purpose) {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) {
    throw new PackagesMissing(
      `${purpose} needs ${missing.join(", ")}. Type: sudo apt-get update && sudo apt-get ${install.join(" ")}`,
    );
  }
  process.stderr.write(`Installing from Debian: ${missing.join(", ")}\n`);
  aptGet(["update"]);
  aptGet(install);
}

/** @param {Record<string, string>} wanted */
function missingPackages(wanted) {
  return Object.entries(wanted)
    .filter(([file]) => !isThere(file))
    .map(([, debianPackage]) => debianPackage);
}

/** @param {string} file */
function isThere(file) {
  const folders = (process.env["PATH"] ?? "").split(":");
  return path.isAbsolute(file)
    ? existsSync(file)
    : folders.some((folder) => existsSync(path.join(folder, file)));
}

/**
 * Waits for another apt to finish, which another set-up, or the system after it booted, may have started. apt itself can
 * wait for dpkg's lock, but does not say so, and never waits for that of the package lists.
 * @param {string[]} args
 */
function aptGet(args) {
  for (let waited = 0; ; waited++) {
    const { status, stdout, stderr, error } = spawnSync("apt-get", args, {
      encoding: "utf8",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
    });
    if (error !== undefined) throw new Error(`apt-get ${args.join(" ")}: ${error.message}`);
    if (status === 0) return;
    const lock = /Could not get lock .*/.exec(stderr)?.[0];
    if (waited >= PATIENCE_S || lock === undefined)
      throw new Error(`apt-get ${args.join(" ")} failed: ${stdout}${stderr}`);
    if (waited === SILENCE_S) process.stderr.write(`Waiting for another apt to end: ${lock}\n`);
    spawnSync("sleep", ["1"]);
  }
}
