/**
 * Debian's packages for programs that are not there. Nothing here may import an npm package: set-up runs before any is
 * installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

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

/** @param {string[]} args */
function aptGet(args) {
  // Waits for another apt to finish instead of failing on its lock.
  const { status, stdout, stderr } = spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (status !== 0) throw new Error(`apt-get ${args.join(" ")} failed: ${stdout}${stderr}`);
}
