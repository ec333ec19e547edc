import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

const root = path.join(import.meta.dirname, "../..");
/** The built package, for code that runs outside the test's own module graph. */
export const BUILT = pathToFileURL(path.join(root, "dist/index.js")).href;
/**
 * Runs ES module code in a process of its own; `vfio` is the built package.
 * @param launcher a program that starts what its arguments say.
 */
export function runInChild(
  code: string,
  variables: NodeJS.ProcessEnv = {},
  launcher: readonly string[] = [],
): SpawnSyncReturns<string> {
  const program = `const vfio = await import(${JSON.stringify(BUILT)});\n${code}`;
  const command = [...launcher, process.execPath, "--input-type=module", "--eval", program];
  const env = { ...process.env, ...variables };
  return spawnSync(command[0]!, command.slice(1), { cwd: root, env, encoding: "utf8", timeout: 60_000 });
}

/** What a child printed as JSON; its death is the error. */
export function resultOfChild(...child: Parameters<typeof runInChild>): unknown {
  const { status, signal, stdout, stderr } = runInChild(...child);
  if (status !== 0) throw new Error(`the child ended with ${status ?? signal}:\n${stderr}`);
  return JSON.parse(stdout);
}

/** Runs code in a worker thread of this process; `vfio` is the built package, `port` leads to the test. */
export function startWorker(code: string, workerData: unknown): Worker {
  const program = `
    const { parentPort: port, workerData } = require("node:worker_threads");
    import(${JSON.stringify(BUILT)}).then(async (vfio) => {
      const { once } = require("node:events");
      ${code}
    });`;
  return new Worker(program, { eval: true, workerData, execArgv: [] });
}

/** The next message of a worker; its error if it has one. */
export async function nextMessage(worker: Worker): Promise<unknown> {
  const [message] = (await once(worker, "message")) as [unknown];
  return message;
}

/** A worker that did something, said so, and lives on until it is terminated. */
export async function living(code: string, data?: unknown): Promise<{ worker: Worker; said: unknown }> {
  const worker = startWorker(`${code}\nawait once(port, "message");`, data);
  return { worker, said: await nextMessage(worker) };
}
