import { readFileSync } from "node:fs";
import path from "node:path";
import type { Fault } from "./strace.js";
import type { ToldError } from "./victim.js";

const ERROR_PAGE = readFileSync(path.resolve(import.meta.dirname, "../../../../../docs/errors.md"), "utf8");

/** What the library calls a system call in its errors, where that is not the kernel's name. */
const NAMES: Readonly<Record<string, string>> = {
  pread64: "pread",
  pwrite64: "pwrite",
  eventfd2: "eventfd",
  accept4: "accept",
};

/** What a hint may be about after each errno. EIO tells nothing that could be mended. */
const REMEDIES: Readonly<Record<string, RegExp>> = {
  EIO: /^$/,
  EMFILE: /open files|ulimit -n|RLIMIT_NOFILE/i,
  ENOMEM: /memory|memlock|mappings|hugepages/i,
  EINVAL: /./,
};

/** What is wrong with the errors that a fault led to; nothing if a program can go by them. */
export function faultsOf(fault: Fault, errors: readonly ToldError[]): string[] {
  return errors.flatMap((error) => {
    const complaints = [
      error.isOurs ? undefined : `no error of this library: ${error.stack ?? error.message}`,
      isCodeKnown(fault, error) ? undefined : `a code that no page explains: ${error.code}`,
      namesCall(fault, error) ? undefined : `another call is named: ${error.syscall}`,
      hintFollows(fault, error) ? undefined : `a hint that does not follow: ${error.hint}`,
    ];
    return complaints.filter((complaint) => complaint !== undefined);
  });
}

function isCodeKnown({ errno }: Fault, { code = "" }: ToldError): boolean {
  return code === errno || (code.startsWith("ERR_VFIO_") && new RegExp(`\\b${code}\\b`).test(ERROR_PAGE));
}

function namesCall({ syscall, errno }: Fault, error: ToldError): boolean {
  return error.code !== errno || error.syscall === (NAMES[syscall] ?? syscall);
}

/** Only of what carries the errno: an error with a code of ours has a hint of its own. */
function hintFollows({ errno }: Fault, { code, hint = "" }: ToldError): boolean {
  return code !== errno || hint === "" || REMEDIES[errno]?.test(hint) === true;
}
