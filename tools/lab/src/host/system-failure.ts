import os from "node:os";
import path from "node:path";
import { cacheDirectory, diskFull } from "./cache.js";
import { LabError } from "../run/lab-error.js";

interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
}

/**
 * Does part of the lab's work; failures of the system become a LabError.
 * @param folder of the work, for calls that do not name it: a write knows only an fd.
 */
export async function withLabErrors<T>(work: () => Promise<T>, folder?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isSystemError(error) ? systemFailure(error, error.path ?? folder) : error;
  }
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}

/** The hint follows from errno, call and place alone. */
function systemFailure(cause: SystemError, place: string | undefined): LabError {
  const { code: errno, syscall } = cause;
  const call = `${syscall}: ${errno}`;
  const elsewhere = place === undefined ? undefined : elsewhereThan(place);
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    const hint = ["Free some space there", elsewhere].filter(Boolean).join(", or ");
    return diskFull(`There is no space left for ${place ?? "a file"} (${call})`, { hint: `${hint}.`, cause });
  }
  const message =
    errno === "ENOENT" && syscall.startsWith("spawn ")
      ? `The program ${syscall.slice(6)} is not installed`
      : `${place ?? "A file"} cannot be used (${call})`;
  const hints = [REASONS[errno], elsewhere && `${elsewhere[0]?.toUpperCase()}${elsewhere.slice(1)}.`];
  return new LabError("ERR_LAB_SYSTEM", message, { hint: hints.filter(Boolean).join(" "), cause });
}

const REASONS: Readonly<Record<string, string>> = {
  EROFS: "Its file system is read-only.",
  EACCES: "This user may not do that.",
  EPERM: "This user may not do that.",
  EMFILE: "This process has as many files open as it may (ulimit -n).",
  ENFILE: "The system has as many files open as it may (fs.file-max).",
};

/** Another place for such files; the cache's folder first, as it may be below the other. */
function elsewhereThan(place: string): string | undefined {
  if (isBelow(place, cacheDirectory({ env: process.env }))) return "point XDG_CACHE_HOME at another folder";
  return isBelow(place, os.tmpdir()) ? "set TMPDIR to another folder" : undefined;
}

function isBelow(file: string, folder: string): boolean {
  return !path.relative(folder, file).startsWith("..");
}
