/**
 * A package's `bench` target: compiles the C programs in its bench folder, runs its benchmarks in one boot of the
 * lab, and leaves their rows in .results/bench.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runInLab } from "@vfio/lab";
import { root } from "./bootstrap.mjs";

const bench = path.join(process.cwd(), "bench");
const files = readdirSync(bench).sort();
mkdirSync(path.join(bench, "build"), { recursive: true });
for (const file of files.filter((name) => name.endsWith(".c"))) {
  const program = path.join(bench, "build", path.basename(file, ".c"));
  execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", program, path.join(bench, file)], {
    stdio: "inherit",
  });
}

const rows = [];
const programs = files.filter((name) => name.endsWith(".bench.mjs")).map((name) => path.join(bench, name));
const script = programs.map((program) => `"$0" --expose-gc ${JSON.stringify(program)}`).join(" && ");
const result = await runInLab(["sh", "-c", script, process.execPath], {
  timeoutMs: 20 * 60_000,
  onStderr: (chunk) => process.stderr.write(chunk),
});
for (const line of result.stdout.split("\n").filter(Boolean)) {
  if (line.startsWith("{")) rows.push(JSON.parse(line));
  else process.stderr.write(`${line}\n`);
}

const folder = path.join(root, ".results/bench");
mkdirSync(folder, { recursive: true });
writeFileSync(path.join(folder, `${path.basename(process.cwd())}.json`), JSON.stringify(rows, null, 2));
process.stdout.write(`${rows.length} rows\n`);
process.exitCode = result.exitCode;
