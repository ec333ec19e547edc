/** A registry of npm's for one release: on loopback, with its own port and storage, and no other registry behind it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { installed } from "./installed.js";
import { nodeBinaries } from "./nodes.js";
import { freshEnvironment } from "./run.js";

const START_MS = 60_000;

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
 * @returns {Promise<Registry>}
 */
export async function startRegistry(folder, signal) {
  const url = `http://127.0.0.1:${await freePort()}/`;
  mkdirSync(folder, { recursive: true });
  const config = path.join(folder, "verdaccio.yaml");
  writeFileSync(config, configuration(folder, url));
  /** @type {string[]} */
  const log = [];
  const node = nodeBinaries().at(-1)?.path ?? process.execPath;
  const program = [node, path.join(installed("toolbox"), "verdaccio/bin/verdaccio"), "--config", config];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...program], {
    cwd: folder,
    env: freshEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => log.push(String(chunk)));
  const ended = once(child, "close");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  try {
    await answers(url, () => child.exitCode === null, signal);
  } catch (error) {
    await stop();
    throw new Error(`The registry does not start: ${log.join("")}`, { cause: error });
  }
  return { url, pid: child.pid ?? 0, env: npmEnvironment(folder, url), stop };
}

/**
 * @param {string} folder
 * @param {string} url
 */
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

/**
 * @param {string} folder
 * @param {string} url
 */
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
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/**
 * @param {string} url
 * @param {() => boolean} isAlive
 * @param {AbortSignal} signal
 */
async function answers(url, isAlive, signal) {
  const end = Date.now() + START_MS;
  while (isAlive() && Date.now() < end) {
    const answer = await fetch(`${url}-/ping`, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (answer?.ok === true) return;
    await delay(100, undefined, { signal });
  }
  throw new Error("no answer");
}
