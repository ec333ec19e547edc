import { runSession } from "./guest-session.js";
import { LabError } from "../run/lab-error.js";
import type { LabOptions } from "../run/lab-options.js";
import type { Machine } from "../machine/machine.js";
import { prepareLab } from "../run/prepare-lab.js";
import { withLabErrors } from "../host/system-failure.js";
import { limitsOf, pickAccelerator, planFor, readRequest } from "../run/run-in-lab.js";

/** No time limit unless `timeoutMs` sets one. */
export interface LabShellOptions extends Omit<LabOptions, "onStdout" | "onStderr"> {
  /** The source of keys. Default: standard input. */
  readonly input?: NodeJS.ReadStream;
  /** Shows the guest's terminal. Default: standard output. */
  readonly output?: NodeJS.WriteStream;
}

const NO_LIMIT_MS = 2 ** 31 - 1;

/** Boots a machine and connects this terminal to a shell in it; resolves with the shell's exit code. */
export function openLabShell(options: LabShellOptions = {}): Promise<number> {
  return withLabErrors(() => open(options));
}

async function open(options: LabShellOptions): Promise<number> {
  const { input = process.stdin, output = process.stdout } = options;
  if (!input.isTTY) throw notATerminal();
  const command = [process.env.SHELL ?? "/bin/bash"];
  const lab = await prepareLab(options);
  const request = await readRequest(command, options);
  const accelerator = await pickAccelerator(lab, options);
  const terminal = { rows: output.rows || 24, columns: output.columns || 80 };
  const plan = {
    ...planFor(lab, request, options, accelerator, terminal),
    onPort: { tty: (chunk: Buffer) => output.write(chunk) },
  };
  const limits = limitsOf(command, { timeoutMs: NO_LIMIT_MS, ...options });
  let disconnect: (() => void) | undefined;
  try {
    const session = await runSession(plan, {
      ...limits,
      onReady(machine, bootMs) {
        limits.onReady(machine, bootMs);
        disconnect = connectKeyboard(machine, input);
      },
    });
    return session.exitCode;
  } finally {
    disconnect?.();
  }
}

function notATerminal(): LabError {
  return new LabError(
    "ERR_LAB_BAD_ARGUMENT",
    "A shell in the guest needs a terminal, and standard input is none",
    { hint: "To run a script, give it as a command: vfio-lab -- sh -c '…'" },
  );
}

/** Raw mode: every key, also Ctrl-C, goes to the guest. */
function connectKeyboard(machine: Machine, input: NodeJS.ReadStream): () => void {
  const send = (keys: Buffer) => machine.write("tty", keys);
  input.setRawMode(true);
  input.on("data", send).resume();
  return () => {
    input.off("data", send).pause();
    input.setRawMode(false);
  };
}
