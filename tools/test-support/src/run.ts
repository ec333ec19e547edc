import { spawnSync } from "node:child_process";

export const NOBODY = 65534;

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a shell command as an ordinary user without capabilities, e.g. `ulimit -l 64; exec node …`. Its files must be
 * readable for everyone.
 */
export function runAsNobody(shellCommand: string): Finished {
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const capabilities = ["--bounding-set=-all", "--inh-caps=-all"];
  return finished("setpriv", [...user, ...capabilities, "sh", "-c", shellCommand]);
}

/** Runs a program to its end, with English output on any machine. */
export function finished(command: string, args: readonly string[]): Finished {
  const env = { ...process.env, LC_ALL: "C" };
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", env });
  return { status, stdout, stderr };
}
