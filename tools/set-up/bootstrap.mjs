/**
 * All set-up that `npm start`, `npm test` and the others need, on a machine that has only Node.js and a fresh clone:
 * the compiler, the packages from the lock file, the build. Nothing here may import a package: none is there yet.
 * What it says goes to standard error, so that standard output belongs to the command alone.
 */
import "./check-node.mjs";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { COMPILER } from "./src/debian-packages.js";
import { ensureDebianPackages } from "./src/debian.js";
import { npmComplaint } from "./src/npm-complaint.js";
import { packagesAreInstalled } from "./src/installed-packages.js";
import { endedBy, exitCodeOf, runProgram } from "./src/run-program.js";
import { isBuilt, noteBuilt, notWritable } from "./src/writable.js";

export const root = path.resolve(import.meta.dirname, "../..");

/** A first use of the folder for temporary files. */
const SOME_BYTES = 64 << 10;

const FULL = { what: "is full", remedy: "Free some space there" };
const FORBIDDEN = { what: "cannot be written to by this user" };
/** What each errno says of the folder for temporary files, and what follows from that. */
const PROBLEMS = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  ENOENT: { what: "is not there", remedy: "Make it" },
  ENOTDIR: { what: "is no folder" },
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EROFS: { what: "is on a read-only file system" },
};

/** The exit code of a set-up that failed; the lab's own failures have another. */
let failureCode = 1;

/**
 * Does everything that is missing; quick when nothing is. A test that runs one of our commands says with VFIO_SET_UP=done
 * that there is nothing to do: other tests read node_modules and dist meanwhile.
 * @param {{ exitCode?: number }} [options] how the process ends if something cannot be done; 1 by default.
 */
export async function bootstrap({ exitCode = 1 } = {}) {
  failureCode = exitCode;
  warnOfNpmsLines();
  if (process.env.VFIO_SET_UP === "done") return;
  checkPlatform();
  checkTemporaryFolder();
  const obstacle = notWritable(root);
  if (obstacle !== undefined && packagesAreInstalled(root) && isBuilt(root)) return;
  await installCompiler();
  await installPackages(obstacle);
  await build(obstacle);
}

/**
 * Runs a program of node_modules or the system; its output is seen only if it fails.
 * @param {(output: string) => string} [complaint] what people are told of it then.
 */
export async function runQuietly(title, command, args, complaint = (output) => output) {
  const started = performance.now();
  process.stderr.write(`${title} … `);
  const stdio = ["ignore", "pipe", "pipe"];
  const ended = await runProgram(command, args, { cwd: root, stdio, alone: true }).catch((error) =>
    stop(`failed\n${title} needs ${command}, which cannot be started: ${error.message}`),
  );
  if (ended.endedBy !== undefined) stop(endedBy(ended.endedBy), exitCodeOf(ended.endedBy));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (ended.exitCode === 0) return void process.stderr.write(`${seconds} s\n`);
  stop(
    `failed\n${complaint(`${ended.stdout}${ended.stderr}`)}\n${title} failed: ${[command, ...args].join(" ")}`,
  );
}

/** Runs one of our own programs as the command's work: it says itself why it ended, and its exit code is the command's. */
export async function runAsCommand(program, args, options = {}) {
  const { exitCode } = await runProgram(process.execPath, [program, ...args], options);
  process.exitCode = exitCode;
}

/** Ends with a message and an exit code. */
export function stop(message, exitCode = failureCode) {
  process.stderr.write(`${message}\n`);
  process.exit(exitCode);
}

/** The path of a tool in node_modules. */
export function tool(name) {
  return path.join(root, "node_modules/.bin", name);
}

/** npm before 12 tells the script's name and command on standard output, and nothing but --silent keeps it from that. */
function warnOfNpmsLines() {
  const {
    npm_lifecycle_event: script,
    npm_config_loglevel: level,
    npm_config_user_agent: agent,
  } = process.env;
  const [, npm] = /^npm\/(\d+)/.exec(agent ?? "") ?? [];
  if (script === undefined || level === "silent" || !(Number(npm) < 12)) return;
  if (!process.argv.includes("--json")) return;
  const command = script === "start" ? "start" : `run ${script}`;
  process.stderr.write(
    `npm has written lines of its own to standard output. Without them: npm ${command} --silent -- --json\n`,
  );
}

function checkPlatform() {
  if (process.platform !== "linux")
    stop(`This needs Linux: VFIO is a part of its kernel, and this is ${process.platform}.`);
}

/** Everything here makes temporary files, and each program would complain of it in its own way. */
function checkTemporaryFolder() {
  const folder = tmpdir();
  try {
    const attempt = mkdtempSync(path.join(folder, "vfio-set-up-"));
    try {
      writeFileSync(path.join(attempt, "file"), new Uint8Array(SOME_BYTES));
    } finally {
      rmSync(attempt, { recursive: true });
    }
  } catch ({ code }) {
    // Below /proc it says ENOENT of folders that are there.
    const isKnown = code !== "ENOENT" || !existsSync(folder);
    const { what, remedy } = (isKnown && PROBLEMS[code]) || { what: "cannot be written to" };
    const remedies = remedy === undefined ? "Set" : `${remedy}, or set`;
    stop(`${folder}, the folder for temporary files, ${what}. ${remedies} TMPDIR to another one (${code}).`);
  }
}

async function installCompiler() {
  try {
    await ensureDebianPackages(COMPILER, "Compiling the addon");
  } catch (error) {
    stop(error.message);
  }
}

/** npm ci takes half a minute, and removes node_modules first, so it runs only when that is not what the lock file asks for. */
async function installPackages(obstacle) {
  if (packagesAreInstalled(root)) return;
  if (obstacle !== undefined) stopAt(obstacle, "The npm packages are not installed");
  await runQuietly("Installing npm packages", "npm", ["ci", "--no-audit", "--no-fund"], npmComplaint);
}

async function build(obstacle) {
  if (obstacle !== undefined) stopAt(obstacle, "The packages are not built from the sources that are here");
  await runQuietly("Building", tool("nx"), ["run-many", "-t", "build", "--outputStyle=stream"]);
  noteBuilt(root);
}

function stopAt({ folder, reason }, what) {
  stop(`${what}, and ${folder} cannot be written to: ${reason}.
Type npm run build as its owner, or use a clone of your own: git clone ${root} vfio && cd vfio`);
}
