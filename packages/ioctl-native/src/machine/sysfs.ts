import path from "node:path";
import { checkText } from "../errors/argument-error.js";
import { check, errnoOf, VfioSystemError } from "../errors/errors.js";
import { kernel } from "../kernel/kernel.js";

/** The text of a sysfs or procfs file without the final newline. `undefined` if there is no such file. */
export function readSysfs(file: string): string | undefined {
  const text = kernel().readText(checkedPath(file));
  if (typeof text === "string") return text.trimEnd();
  return undefinedIfAbsent(text, "read", file);
}

/** A symbolic link's target. `undefined` if there is no such link. */
export function readLink(link: string): string | undefined {
  const target = kernel().readLink(checkedPath(link));
  return typeof target === "string" ? target : undefinedIfAbsent(target, "readlink", link);
}

/** The last part of a symbolic link's target: the driver's or group's name. `undefined` if there is no such link. */
export function readLinkName(link: string): string | undefined {
  const target = readLink(link);
  return target === undefined ? undefined : path.basename(target);
}

/** Sorted; empty if there is no such folder. */
export function listFolder(folder: string): string[] {
  const names = kernel().list(checkedPath(folder));
  if (typeof names !== "number") return names.sort();
  undefinedIfAbsent(names, "scandir", folder);
  return [];
}

/** Never creates a file. */
export function writeSysfs(file: string, text: string): void {
  checkText("what is to be written", text);
  const result = kernel().writeText(checkedPath(file), text);
  check(result, () => ({ syscall: "write", what: `cannot write "${text}" to ${file}`, path: file }));
}

/** True if a file, folder or device node of that name exists. Throws if that cannot be told (EACCES). */
export function exists(file: string): boolean {
  const found = kernel().stat(checkedPath(file));
  if (typeof found !== "number") return true;
  undefinedIfAbsent(found, "stat", file);
  return false;
}

function checkedPath(file: string): string {
  checkText("a path in sysfs", file);
  return file;
}

/** ENODEV is sysfs's answer for a file whose device has gone since it was opened. */
function undefinedIfAbsent(errno: number, syscall: string, file: string): undefined {
  if ((["ENOENT", "ENOTDIR", "ENODEV"] as const).some((name) => errno === errnoOf(name))) return undefined;
  throw new VfioSystemError(errno, { syscall, what: `cannot read ${file}`, path: file });
}
