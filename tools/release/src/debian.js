/**
 * Debian's packages for programs that are not there. Nothing here may import an npm package: set-up runs before any is
 * installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** Seconds that another apt may take. */
const PATIENCE_S = 300;

/**
 * Installs what is missing, or says what to type.
 * @param {Record<string, string>} wanted Debian's package for each program on PATH, or file.
 * @param {string} purpose e.g. "Compiling the addon".
 * @throws {Error} with the command to type, if this user may not install packages, or if apt-get failed.
 */
export function ensureDebianPackages(wanted, purpose) {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) {
    throw new Error(
      `${purpose} needs ${missing.join(", ")}. Type: sudo apt-get update && sudo apt-get ${install.join(" ")}`,
    );
  }
  process.stderr.write(`Installing ${missing.join(", ")} … `);
  aptGet(["update"]);
  aptGet(install);
  process.stderr.write("done\n");
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
 * Waits for another apt to finish. apt itself waits for dpkg's lock when asked to, but never for that of the package
 * lists, which another of our tests, or the system after it booted, may hold for some seconds.
 * @param {string[]} args
 */
function aptGet(args) {
  for (let waited = 0; ; waited++) {
    const { status, stdout, stderr, error } = spawnSync(
      "apt-get",
      ["-o", `DPkg::Lock::Timeout=${PATIENCE_S}`, ...args],
      {
        encoding: "utf8",
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
      },
    );
    if (error !== undefined) throw new Error(`apt-get ${args.join(" ")}: ${error.message}`);
    if (status === 0) return;
    if (waited >= PATIENCE_S || !stderr.includes("Could not get lock"))
      throw new Error(`apt-get ${args.join(" ")} failed: ${stdout}${stderr}`);
    spawnSync("sleep", ["1"]);
  }
}
