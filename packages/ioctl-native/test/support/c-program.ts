import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Compiles a C program and runs something with it. What does not compile is an error with cc's words. */
export function withC<T>(source: string, run: (program: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), "vfio-c-"));
  try {
    const file = path.join(folder, "program.c");
    const program = path.join(folder, "program");
    writeFileSync(file, source);
    execFileSync("cc", ["-Wall", "-Werror", "-o", program, file], { stdio: "pipe" });
    return run(program);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compiles a C program, runs it, and parses its output as JSON. */
export function runC(source: string): unknown {
  return withC(source, (program): unknown => JSON.parse(execFileSync(program, { encoding: "utf8" })));
}
