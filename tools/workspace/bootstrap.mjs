/**
 * All set-up that `npm start`, `npm test` and the others need, on a machine that has only Node.js and a fresh clone:
 * the compiler, the packages from the lock file, the build. Nothing here may import a package: none is there yet.
 * What it says goes to standard error, so that standard output belongs to the command alone.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { COMPILER } from "../release/src/debian-packages.js";
import { ensureDebianPackages } from "../release/src/debian.js";
import { packagesAreInstalled } from "./src/installed-packages.js";

export const root = path.resolve(import.meta.dirname, "../..");

const OLDEST_NODE = [20, 19];

/**
 * Does everything that is missing; quick when nothing is. A test that runs one of our commands says with VFIO_SET_UP=done
 * that there is nothing to do: other tests read node_modules and dist meanwhile.
 */
export function bootstrap() {
  if (process.env.VFIO_SET_UP === "done") return;
  checkPlatform();
  installCompiler();
  installPackages();
  build();
}

/** Runs a program of node_modules or the system; its output is seen only if it fails. */
export function runQuietly(title, command, args, options = {}) {
  const started = performance.now();
  process.stderr.write(`${title} … `);
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, ...options });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (result.status === 0) return void process.stderr.write(`${seconds} s\n`);
  process.stderr.write(
    `failed\n${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}\n`,
  );
  if (result.signal === "SIGINT") process.exit(130);
  stop(`${title} failed: ${[command, ...args].join(" ")}`);
}

/** Ends with a message and exit code 1. */
export function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** The path of a tool in node_modules. */
export function tool(name) {
  return path.join(root, "node_modules/.bin", name);
}

function checkPlatform() {
  if (process.platform !== "linux")
    stop(`This needs Linux: VFIO is a part of its kernel, and this is ${process.platform}.`);
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  stop(`This needs Node.js ${OLDEST_NODE.join(".")} or later, and this is ${process.version}.`);
}

function installCompiler() {
  try {
    ensureDebianPackages(COMPILER, "Compiling the addon");
  } catch (error) {
    stop(error.message);
  }
}

/** npm ci takes half a minute, and removes node_modules first, so it runs only when that is not what the lock file asks for. */
function installPackages() {
  if (packagesAreInstalled(root)) return;
  runQuietly("Installing npm packages", "npm", ["ci", "--json=false", "--no-audit", "--no-fund"]);
}

function build() {
  runQuietly("Building", tool("nx"), ["run-many", "-t", "build", "--outputStyle=stream"]);
}
