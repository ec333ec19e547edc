import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Compiles a C program, runs it, and parses its output as JSON. What does not compile is an error with cc's words. */
export function runC(source: string): unknown {
  const folder = mkdtempSync(path.join(tmpdir(), "vfio-c-"));
  try {
    const file = path.join(folder, "program.c");
    writeFileSync(file, source);
    execFileSync("cc", ["-Wall", "-Werror", "-o", path.join(folder, "program"), file], { stdio: "pipe" });
    return JSON.parse(execFileSync(path.join(folder, "program"), { encoding: "utf8" }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
