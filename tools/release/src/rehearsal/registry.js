/** An npm registry for one release: in this process, on loopback, with its own storage, and no other behind it. */
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { installed } from "../programs/installed.js";
import { freshEnvironment } from "../run.js";

/**
 * @typedef {object} Registry
 * @property {string} url
 * @property {NodeJS.ProcessEnv} env for npm to use this registry, with its own cache.
 * @property {() => Promise<void>} stop
 */

/**
 * Starts Verdaccio at a free port.
 * @param {string} folder for its storage and log; the caller removes it.
 * @returns {Promise<Registry>}
 */
export async function startRegistry(folder) {
  mkdirSync(folder, { recursive: true });
  const { runServer } = createRequire(path.join(installed("toolbox"), "use.js"))("verdaccio");
  /** @type {import("node:http").Server} */
  const server = await runServer(configuration(folder));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}/`;
  const stop = async () => {
    server.close();
    // npm keeps its connections open.
    server.closeAllConnections();
    await once(server, "close");
  };
  return { url, env: npmEnvironment(folder, url), stop };
}

/** @param {string} folder */
function configuration(folder) {
  return {
    configPath: path.join(folder, "verdaccio.yaml"),
    storage: path.join(folder, "storage"),
    web: { enable: false },
    auth: { htpasswd: { file: path.join(folder, "htpasswd") } },
    uplinks: {},
    packages: { "@vfio/*": { access: "$all", publish: "$anonymous" } },
    // Standard output is for the outcome.
    log: { type: "file", path: path.join(folder, "log"), format: "json", level: "warn" },
  };
}

/** @param {string} folder @param {string} url */
function npmEnvironment(folder, url) {
  const userconfig = path.join(folder, "npmrc");
  // npm demands a token for publishing; the registry ignores it.
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
