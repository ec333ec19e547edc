/**
 * Debian's packages for programs that are not there. Nothing here may import an npm package: set-up runs before any is
 * installed.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { aptGet } from "./apt.js";

/** Another try cannot mend this: the message says what to type. */
export class PackagesMissing extends Error {}

/**
 * Installs what is missing, or says what to type.
 * @param {Record<string, string>} wanted Debian's package for each program on PATH, or file.
 * @param {string} purpose e.g. "Compiling the addon".
 * @throws {PackagesMissing} with the command to type, if this user may not install packages.
 * @throws {Error} with apt-get's own words, if it failed.
 */
export async function ensureDebianPackages(wanted, purpose) {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) {
    throw new PackagesMissing(
      `${purpose} needs ${missing.join(", ")}. Type: sudo apt-get update && sudo apt-get ${install.join(" ")}`,
    );
  }
  process.stderr.write(`Installing from Debian: ${missing.join(", ")}\n`);
  await mustAptGet(["update"]);
  await mustAptGet(install);
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
async function mustAptGet(args) {
  const report = (/** @type {string} */ line) => void process.stderr.write(`${line}\n`);
  const { code, stdout, stderr } = await aptGet({ run }, args, { report });
  if (code !== 0) throw new Error(`apt-get ${args.join(" ")} failed: ${stdout}${stderr}`);
}

/** @type {import("./apt.js").Runner["run"]} */
function run(program, args, { env } = {}) {
  const options = { env: { ...process.env, ...env, LC_ALL: "C" } };
  return new Promise((resolve, reject) =>
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    }),
  );
}
