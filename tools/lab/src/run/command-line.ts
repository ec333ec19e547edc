import { constants } from "node:os";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { LabError } from "./lab-error.js";
import type { LabOptions, MachineOptions } from "./lab-options.js";
import { openLabShell } from "../guest/lab-shell.js";
import { EXTRA_PROGRAMS, type LabExtra } from "../host/packages.js";
import { prepareLab } from "./prepare-lab.js";
import { runInLab } from "./run-in-lab.js";

/** Of the lab's own failures, as `docker run` and `timeout` use them; any other code is the command's. */
const EXIT_LAB_FAILED = 125;
const EXIT_TIMEOUT = 124;

interface Flags {
  readonly shell?: true;
  readonly prepare?: true;
  readonly verbose?: true;
  readonly quiet?: true;
  readonly timeout?: number;
  readonly cwd?: string;
  readonly show?: string[];
  readonly env: Readonly<Record<string, string>>;
  readonly output?: string;
  readonly memory?: string;
  readonly iommuBits: "39" | "48";
  readonly hugepages?: number;
  readonly hugepages1g?: number;
  readonly numaNodes: "1" | "2";
  readonly accelerator: "auto" | "kvm" | "tcg";
  readonly with?: LabExtra[];
}

export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const ending = abortOnSignals();
  try {
    return await obey(argv, ending.signal);
  } catch (error) {
    return failure(error, ending.signal);
  } finally {
    ending.dispose();
  }
}

async function obey(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const program = commandLine().exitOverride();
  program.parse(argv);
  const flags = program.opts<Flags>();
  const command = program.args;
  const options = { ...labOptions(flags), signal };
  if (flags.prepare) return prepare(options);
  if (flags.shell || (command.length === 0 && process.stdin.isTTY)) return openLabShell(options);
  if (command.length === 0) program.help({ error: true });
  return run(command, options);
}

function commandLine(): Command {
  return new Command("vfio-lab")
    .description(
      "Runs a command as root in a QEMU machine with an IOMMU, on a real VFIO kernel, with this machine's files read-only.",
    )
    .argument("[command...]", "what to run; after --, so that its own options are left alone")
    .passThroughOptions()
    .option("--shell", "an interactive shell in the guest (also when no command is given, on a terminal)")
    .option("--prepare", "only install, download and build what is missing")
    .option("--timeout <seconds>", "longest time the command may take", positiveNumber)
    .option("--cwd <folder>", "working directory in the guest (default: this one)")
    .option("--show <folder...>", "folders below /tmp, /run or /dev/shm that the command needs, too")
    .option(
      "-e, --env <name[=value]>",
      "an environment variable for the command; repeatable",
      addVariable,
      {},
    )
    .option("--output <folder>", "a folder here that the guest can write to, as $LAB_OUTPUT")
    .option("--memory <size>", "guest memory, such as 4G")
    .addOption(
      new Option("--iommu-bits <bits>", "width of the IOMMU's addresses").choices(["39", "48"]).default("39"),
    )
    .option("--hugepages <count>", "2 MiB hugepages (default: 256)", wholeNumber)
    .option("--hugepages-1g <count>", "1 GiB hugepages (default: 0)", wholeNumber)
    .addOption(new Option("--numa-nodes <count>", "NUMA nodes").choices(["1", "2"]).default("1"))
    .addOption(
      new Option("--accelerator <name>", "how to run the guest")
        .choices(["auto", "kvm", "tcg"])
        .default("auto"),
    )
    .addOption(
      new Option("--with <name...>", "what the command needs beside Node.js").choices(
        Object.keys(EXTRA_PROGRAMS),
      ),
    )
    .option("--quiet", "no progress lines")
    .option("--verbose", "show the guest's kernel console")
    .addHelpText(
      "after",
      "\nThe exit code is the command's; 125 when the lab itself failed, 124 when the time was up, 130 after Ctrl-C.\nStandard input is not passed on, except with --shell.",
    );
}

function labOptions(flags: Flags): LabOptions {
  return {
    machine: machineOptions(flags),
    // npm runs scripts in the package's folder; INIT_CWD has the user's own.
    cwd:
      flags.cwd ??
      (process.env.npm_lifecycle_event === "lab" ? process.env.INIT_CWD : undefined) ??
      process.cwd(),
    env: flags.env,
    ...(flags.show === undefined ? {} : { shows: flags.show }),
    ...(flags.with === undefined ? {} : { extras: flags.with }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout * 1000 }),
    ...(flags.output === undefined ? {} : { outputDirectory: flags.output }),
    ...(flags.verbose ? { onConsole: (chunk: Buffer) => void process.stderr.write(chunk) } : {}),
    ...(flags.quiet ? {} : { onProgress: ({ message }) => note(message) }),
  };
}

function machineOptions(flags: Flags): MachineOptions {
  return {
    iommuAddressBits: flags.iommuBits === "48" ? 48 : 39,
    accelerator: flags.accelerator,
    numaNodes: flags.numaNodes === "2" ? 2 : 1,
    ...(flags.memory === undefined ? {} : { memory: flags.memory }),
    ...(flags.hugepages === undefined ? {} : { hugepages2M: flags.hugepages }),
    ...(flags.hugepages1g === undefined ? {} : { hugepages1G: flags.hugepages1g }),
  };
}

async function prepare(options: LabOptions): Promise<number> {
  const { kernel } = await prepareLab(options);
  note(`Ready: kernel ${kernel.release} in ${kernel.root}`);
  return 0;
}

async function run(command: readonly string[], options: LabOptions): Promise<number> {
  const { exitCode } = await runInLab(command, {
    ...options,
    onStdout: (chunk) => void process.stdout.write(chunk),
    onStderr: (chunk) => void process.stderr.write(chunk),
  });
  return exitCode;
}

function failure(error: unknown, { aborted, reason }: AbortSignal): number {
  // Commander has reported wrong options; its code is 0 after --help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_LAB_FAILED;
  if (aborted) return ended(reason as EndingSignal);
  if (!(error instanceof LabError)) {
    note(`This is a mistake in the lab itself: ${error instanceof Error ? error.stack : String(error)}`);
    return EXIT_LAB_FAILED;
  }
  note(`${error.message} [${error.code}]`);
  return error.code === "ERR_LAB_TIMEOUT" ? EXIT_TIMEOUT : EXIT_LAB_FAILED;
}

function ended(by: EndingSignal): number {
  // Nobody reads any longer: a shell calls that the end by SIGPIPE, and prints nothing.
  if (by !== "SIGPIPE") note(`ended by ${by === "SIGINT" ? "Ctrl-C" : by}`);
  return 128 + constants.signals[by];
}

function note(message: string): void {
  process.stderr.write(`lab: ${message}\n`);
}

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type EndingSignal = (typeof ENDING_SIGNALS)[number] | "SIGPIPE";

/** A signal, or output without a reader, ends the guest in order. Signals that npm passes on again change nothing. */
function abortOnSignals(): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const abort = (by: EndingSignal) => controller.abort(by);
  const unread = () => abort("SIGPIPE");
  for (const name of ENDING_SIGNALS) process.on(name, abort);
  for (const stream of [process.stdout, process.stderr]) stream.on("error", unread);
  return {
    signal: controller.signal,
    dispose: () => ENDING_SIGNALS.forEach((name) => process.off(name, abort)),
  };
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("Not a number above zero.");
  return value;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Not a whole number.");
  return Number(text);
}

/** `NAME=value`, or `NAME` for its value here. */
function addVariable(text: string, previous: Record<string, string>): Record<string, string> {
  const [, name = text, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  return { ...previous, [name]: value ?? process.env[name] ?? "" };
}
