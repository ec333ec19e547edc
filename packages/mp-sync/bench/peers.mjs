/** The processes that a benchmark runs against. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const folder = mkdtempSync(path.join(tmpdir(), "mp-"));
process.once("exit", () => rmSync(folder, { recursive: true }));

/** A file name of one's own. */
export const pathOf = (name) => path.join(folder, name);

/** Starts a primary and waits until it listens. */
async function primary(name, command, args) {
  const socket = pathOf(name);
  const child = spawn(command, [...args(socket)], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  await once(child.stdout, "data");
  child.stdout.destroy();
  child.unref();
  return socket;
}

/** C's primary; the path of its socket. */
export const primaryInC = (...files) =>
  primary("c", path.join(import.meta.dirname, "build/primary"), (socket) => [socket, ...files]);

/** Ours; the path of its socket. */
export const ourPrimary = (...files) =>
  primary("ours", process.execPath, (socket) => [
    path.join(import.meta.dirname, "primary.mjs"),
    socket,
    ...files,
  ]);
