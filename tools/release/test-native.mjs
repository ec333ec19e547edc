/**
 * `npm run test-native`: the addon's own tests with it compiled for AddressSanitizer and UndefinedBehaviorSanitizer,
 * then a bit of everything under valgrind. The tests' report goes beside those of the other tests.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { MEMORY_CHECKER } from "@vfio/set-up/debian-packages.js";
import { ensureDebianPackages } from "@vfio/set-up/debian.js";
import { errorsInAddon } from "./src/programs/valgrind.js";

const root = path.resolve(import.meta.dirname, "../..");
const packageFolder = path.join(root, "packages/ioctl-native");
const report = path.join(root, ".results/@vfio/ioctl-native-sanitized.json");

const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const FOR_PEOPLE = ["-O1", "-g", "-fno-omit-frame-pointer", "-U_FORTIFY_SOURCE"];

await ensureDebianPackages(MEMORY_CHECKER, "Looking for memory errors in the addon");
const scratch = mkdtempSync(path.join(tmpdir(), "native-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

const failures = [await sanitized(), await underValgrind()].filter((failure) => failure !== undefined);
for (const failure of failures) process.stderr.write(`${failure}\n`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function sanitized() {
  const addon = await compileAddon("sanitized", [...SANITIZERS, ...FOR_PEOPLE]);
  const env = {
    ...process.env,
    VFIO_IOCTL_NATIVE_ADDON: addon,
    LD_PRELOAD: ["libasan.so", "libubsan.so"].map(libraryOfCompiler).join(" "),
    // valgrind looks for leaks: V8 hides pointers from this one. SIGBUS is the addon's own business.
    ASAN_OPTIONS: "detect_leaks=0:handle_sigbus=0",
    UBSAN_OPTIONS: "print_stacktrace=1",
  };
  rmSync(report, { force: true });
  const vitest = [path.join(root, "node_modules/vitest/vitest.mjs"), "run", `--outputFile.json=${report}`];
  const { status } = spawnSync(process.execPath, vitest, { cwd: packageFolder, env, stdio: "inherit" });
  return status === 0 ? undefined : "The addon's tests fail under the sanitizers.";
}

async function underValgrind() {
  const addon = await compileAddon("debug", FOR_PEOPLE);
  const log = path.join(scratch, "valgrind.xml");
  const options = ["--leak-check=full", "--keep-debuginfo=yes", "--xml=yes", `--xml-file=${log}`];
  const program = [process.execPath, "--expose-gc", path.join(import.meta.dirname, "exercise-addon.mjs")];
  const env = { ...process.env, VFIO_IOCTL_NATIVE_ADDON: addon };
  const { status } = spawnSync("valgrind", [...options, ...program], { env, stdio: "inherit" });
  if (status !== 0) return "The program that valgrind watches failed.";
  const errors = errorsInAddon(readFileSync(log, "utf8"));
  process.stdout.write(`valgrind: ${errors.length} errors and leaks in the addon\n`);
  return errors.length === 0 ? undefined : `valgrind found:\n${errors.join("\n")}`;
}

async function compileAddon(name, flags) {
  const { compile } = await import(path.join(packageFolder, "native/compile.mjs"));
  const output = path.join(scratch, name, "ioctl-native.node");
  mkdirSync(path.dirname(output));
  await compile({ output, compiler: "g++", flags });
  return output;
}

function libraryOfCompiler(file) {
  return execFileSync("g++", [`-print-file-name=${file}`], { encoding: "utf8" }).trim();
}
