import path from "node:path";
import type { Role } from "./events.js";
import { pipelineArguments, type PipelineOptions } from "./options.js";
import { RoleProcess, type RoleProcessOptions } from "./role-process.js";

/** `onEvent` gets the events of both processes, `signal` ends both in order. */
export interface RunPipelineOptions extends PipelineOptions, RoleProcessOptions {}

/**
 * Runs the primary and, once it listens, the secondary, as two processes; then ends the primary.
 * @returns true if both succeeded.
 * @throws Node's own system error if a process could not be started.
 */
export async function runPipeline(options: RunPipelineOptions): Promise<boolean> {
  const primary = start("primary", options);
  try {
    if (!(await primary.listening)) return false;
    const secondaryWentWell = await start("secondary", options).ended;
    primary.stop();
    return (await primary.ended) && secondaryWentWell;
  } finally {
    primary.stop();
    await primary.ended;
  }
}

function start(role: Role, options: RunPipelineOptions): RoleProcess {
  const program = path.join(import.meta.dirname, `${role}-main.js`);
  return new RoleProcess([process.execPath, program, ...pipelineArguments(options)], options);
}
