import { writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { devicesForVfio } from "../machine/devices.js";
import { makeFolder } from "../host/make-folder.js";
import { OPTION_ROM_FILE, optionRom } from "../machine/option-rom.js";
import { shellCommand, shellQuote } from "./shell-quote.js";

export interface Job {
  readonly command: readonly string[];
  readonly cwd: string;
  /** Folders and files that the command needs beside its working directory, such as the program itself. */
  readonly shows: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly modules: string;
  readonly hasOutput: boolean;
  /** Makes a terminal of this size, instead of plain output. */
  readonly terminal?: { readonly rows: number; readonly columns: number } | undefined;
}

const GUEST_OUTPUT = "/run/vfio-lab/output";

/** Empty in the guest, whatever the host has in them. */
const FRESH_FOLDERS = ["/tmp", "/run", "/dev/shm"];

const INHERITED = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TERM", "TZ", "NO_COLOR"];

/**
 * The guest command's environment: some of the host's variables, the lab's, and the caller's on top. `node` is the
 * running Node.js.
 */
export function guestEnvironment(
  host: Readonly<Record<string, string | undefined>>,
  extra: Readonly<Record<string, string>>,
  hasOutput: boolean,
): Record<string, string> {
  const inherited = INHERITED.flatMap((name) => {
    const value = name === "PATH" ? pathToNode(host[name]) : host[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    HOME: os.homedir(),
    ...(Object.fromEntries(inherited) as Record<string, string>),
    VFIO_LAB: "1",
    ...(hasOutput ? { LAB_OUTPUT: GUEST_OUTPUT } : {}),
    ...extra,
  };
}

/** PATH may lead to the running Node.js by a link below /run, which the guest lacks. */
function pathToNode(folders: string | undefined): string | undefined {
  const folder = path.dirname(process.execPath);
  return folders === undefined || folders.split(":").includes(folder) ? folders : `${folder}:${folders}`;
}

/** Writes the guest's files: settings.sh for its init, command.sh for the command, the ROM of a device. */
export async function writeJob(directory: string, job: Job): Promise<void> {
  await makeFolder(directory);
  await writeFile(path.join(directory, "settings.sh"), settingsScript(job));
  await writeFile(path.join(directory, "command.sh"), commandScript(job));
  await writeFile(path.join(directory, OPTION_ROM_FILE), optionRom());
}

export function settingsScript(job: Job): string {
  const { rows, columns } = job.terminal ?? { rows: 24, columns: 80 };
  const kept = keptPaths([job.cwd, ...job.shows]);
  return [
    `LAB_MODE=${job.terminal ? "shell" : "command"}`,
    `LAB_ROWS=${rows} LAB_COLUMNS=${columns}`,
    `LAB_HAS_OUTPUT=${job.hasOutput ? "yes" : ""}`,
    `LAB_MODULES=${shellQuote(job.modules)}`,
    `LAB_VFIO_DEVICES=${shellQuote(devicesForVfio().join(" "))}`,
    `for_each_kept_path() {`,
    ...(kept.length > 0 ? kept.map((each) => `  "$1" ${shellQuote(each)}`) : ["  :"]),
    "}\n",
  ].join("\n");
}

/**
 * Starts the command with exactly this environment. `env` takes names that a shell refuses, such as npm's with dashes.
 */
export function commandScript({ cwd, env, command }: Pick<Job, "cwd" | "env" | "command">): string {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  // env would take a program with "=" in its name for another variable.
  const program = command[0]?.includes("=") ? ["sh", "-c", 'exec "$0" "$@"', ...command] : command;
  return `cd ${shellQuote(cwd)} && exec /usr/bin/env -i -- ${shellCommand([...variables, ...program])}\n`;
}

/** Of the paths that a fresh folder would hide, the entry directly below that folder; each once. */
export function keptPaths(paths: readonly string[]): string[] {
  const kept = paths.flatMap((each) => {
    const fresh = FRESH_FOLDERS.find((folder) => each.startsWith(`${folder}/`));
    return fresh === undefined ? [] : [`${fresh}/${each.slice(fresh.length + 1).split("/")[0]}`];
  });
  return [...new Set(kept)];
}
