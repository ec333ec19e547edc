/** `npm run docs:serve [-- --port 8080]`: the documentation site in a browser on this machine, until Ctrl-C. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { root, stop } from "../set-up/bootstrap.mjs";

const site = path.join(root, "docs/site");
const port = portOf(process.argv.slice(2));
if (!existsSync(path.join(site, "index.html"))) build();
const { serveSite } = await import("./src/docs/site-server.js");

const server = await serveSite(site, port).catch((error) =>
  stop(`The site cannot be served on port ${port}: ${error.message}. Type another one after --port.`),
);
process.stdout.write(`The documentation is at ${server.address} (Ctrl-C ends it)\n`);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => void server.close());

function portOf(args) {
  const usage = "npm run docs:serve [-- --port <0 to 65535>]";
  try {
    const { values } = parseArgs({ args, options: { port: { type: "string", default: "8080" } } });
    const number = Number(values.port);
    return Number.isInteger(number) && number >= 0 && number <= 65535 ? number : stop(`Usage: ${usage}`);
  } catch (error) {
    return stop(`${error.message}\nUsage: ${usage}`);
  }
}

function build() {
  const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, "docs.mjs")], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
