/**
 * A package's `bench` target: compiles the C programs (`*.c`), addons (`*.addon.c`) and AssemblyScript (`*.as.ts`) in its
 * bench folder, runs its benchmarks (`*.host.bench.mjs` here, the others in one boot of the lab), and leaves their rows
 * in .results/bench.
 */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { runInLab } from "@vfio/lab";
import { root } from "../set-up/bootstrap.mjs";
import { compileAssemblyScript } from "./src/build/assembly-script.js";
import { heapFlags } from "@vfio/test-support/benchmark";

const bench = path.join(process.cwd(), "bench");
const files = readdirSync(bench).sort();
mkdirSync(path.join(bench, "build"), { recursive: true });
for (const file of files.filter((name) => name.endsWith(".c"))) compile(file);
for (const file of files.filter((name) => name.endsWith(".as.ts"))) await compileToWebAssembly(file);

const HOST = { name: "host", kernel: os.release(), emulated: false };
const rows = [];
const named = (ending) => files.filter((name) => name.endsWith(ending)).map((name) => path.join(bench, name));
const onHost = named(".host.bench.mjs");
const inLab = named(".bench.mjs").filter((program) => !onHost.includes(program));
for (const program of onHost)
  take(execFileSync(process.execPath, [...heapFlags, program], { encoding: "utf8" }), HOST);
let exitCode = 0;
if (inLab.length > 0) {
  const script = inLab.map((program) => `"$0" --expose-gc ${JSON.stringify(program)}`).join(" && ");
  // machine.json: what a package's benchmarks need beside the lab's usual machine.
  const machine = files.includes("machine.json")
    ? JSON.parse(readFileSync(path.join(bench, "machine.json"), "utf8"))
    : {};
  const onStderr = (chunk) => process.stderr.write(chunk);
  const result = await runInLab(["sh", "-c", script, process.execPath], {
    timeoutMs: 20 * 60_000,
    onStderr,
    machine,
  });
  take(result.stdout, { name: "lab", kernel: result.kernel, emulated: result.accelerator === "tcg" });
  exitCode = result.exitCode;
}

const folder = path.join(root, ".results/bench");
mkdirSync(folder, { recursive: true });
writeFileSync(path.join(folder, `${path.basename(process.cwd())}.json`), JSON.stringify(rows, null, 2));
process.stdout.write(`${rows.length} rows\n`);
process.exitCode = exitCode;

function compile(file) {
  const isAddon = file.endsWith(".addon.c");
  const output = isAddon ? `${path.basename(file, ".addon.c")}.node` : path.basename(file, ".c");
  const headers = createRequire(import.meta.url)("node-api-headers").include_dir;
  const flags = [
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    `-I${path.join(import.meta.dirname, "bench")}`,
    ...(isAddon ? ["-shared", "-fPIC", `-I${headers}`] : []),
  ];
  execFileSync("cc", [...flags, "-o", path.join(bench, "build", output), path.join(bench, file)], {
    stdio: "inherit",
  });
}

async function compileToWebAssembly(file) {
  const code = await compileAssemblyScript(path.join(bench, file));
  writeFileSync(path.join(bench, "build", `${path.basename(file, ".as.ts")}.wasm`), code);
}

/** Each row tells where it was measured. */
function take(output, place) {
  for (const line of output.split("\n").filter(Boolean)) {
    if (line.startsWith("{"))
      rows.push({ package: path.basename(process.cwd()), place, ...JSON.parse(line) });
    else process.stderr.write(`${line}\n`);
  }
}
