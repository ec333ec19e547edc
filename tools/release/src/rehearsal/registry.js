/** A registry of npm's for one release: on loopback, with its own port and storage, and no other registry behind it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { installed } from "../programs/installed.js";
import { nodeBinaries } from "../programs/nodes.js";
import { freshEnvironment } from "../run.js";

const START_MS = 60_000;
const PORTS_TRIED = 3;

/**
 * @typedef {object} Registry
 * @property {string} url
 * @property {number} pid
 * @property {NodeJS.ProcessEnv} env the environment in which npm uses this registry, with a cache of its own.
 * @property {() => Promise<void>} stop ends it, and waits until it has ended.
 */

/**
 * Starts Verdaccio. It ends with this process, however that ends.
 * @param {string} folder for its configuration and storage; the caller removes it.
 * @param {AbortSignal} signal
 * @param {() => Promise<number>} [choosePort] somebody else may take a port between the choice and the start: then the next is tried.
 * @returns {Promise<Registry>}
 */
export async function startRegistry(folder, signal, choosePort = freePort) {
  mkdirSync(folder, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    try {
      return await startAt(`http://127.0.0.1:${await choosePort()}/`, folder, signal);
    } catch (error) {
      if (attempt === PORTS_TRIED || !String(error).includes("EADDRINUSE")) throw error;
    }
  }
}

/** @param {string} url @param {string} folder @param {AbortSignal} signal @returns {Promise<Registry>} */
async function startAt(url, folder, signal) {
  const config = path.join(folder, "verdaccio.yaml");
  writeFileSync(config, configuration(folder, url));
  const node = nodeBinaries().at(-1)?.path ?? process.execPath;
  const program = [node, path.join(installed("toolbox"), "verdaccio/bin/verdaccio"), "--config", config];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...program], {
    cwd: folder,
    env: freshEnvironment(),
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  /** @type {string[]} */
  const log = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => log.push(String(chunk)));
  const ended = once(child, "close");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  try {
    await listens(child, signal);
  } catch (error) {
    await stop();
    signal.throwIfAborted();
    throw new Error(`The registry does not start: ${log.join("")}`, { cause: error });
  }
  return { url, pid: child.pid ?? 0, env: npmEnvironment(folder, url), stop };
}

/**
 * Verdaccio tells the process that started it when it listens. To ask its address would not do: another may answer there.
 * @param {import("node:child_process").ChildProcess} child
 * @param {AbortSignal} signal
 */
async function listens(child, signal) {
  const fails = (/** @type {string} */ why) => () => Promise.reject(new Error(why));
  await Promise.race([
    once(child, "message", { signal }),
    once(child, "close", { signal }).then(fails("it ended")),
    delay(START_MS, undefined, { signal, ref: false }).then(fails("no word of it")),
  ]);
}

/** @param {string} folder @param {string} url */
function configuration(folder, url) {
  return `storage: ${path.join(folder, "storage")}
listen: ${url}
web: { enable: false }
auth: { htpasswd: { file: ${path.join(folder, "htpasswd")} } }
uplinks: {}
packages:
  "@vfio/*": { access: $all, publish: $anonymous }
log: { type: stdout, format: pretty, level: warn }
`;
}

/** @param {string} folder @param {string} url */
function npmEnvironment(folder, url) {
  const userconfig = path.join(folder, "npmrc");
  // npm wants some token before it publishes; the registry takes it for nobody's.
  writeFileSync(userconfig, `${url.replace("http:", "")}:_authToken=nobody\n`);
  return freshEnvironment({
    npm_config_registry: url,
    npm_config_userconfig: userconfig,
    npm_config_cache: path.join(folder, "cache"),
    npm_config_update_notifier: "false",
    npm_config_audit: "false",
    npm_config_fund: "false",
  });
}

/** @returns {Promise<number>} */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
