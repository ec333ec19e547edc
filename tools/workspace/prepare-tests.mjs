/**
 * `npm run test:prepare`, which `npm test` begins with: set-up, then all that the tests take from elsewhere. At once and
 * alone, not by whichever of the tests that run side by side needs it first; and before the first command of Nx that asks
 * for the cross compilers' versions. Does only what is missing, so that a second run is quick and needs no network.
 */
import "../set-up/check-node.mjs";
import * as debian from "../set-up/src/debian-packages.js";
import { ensureDebianPackages, PackagesMissing } from "../set-up/src/debian.js";
import { bootstrap, stop } from "../set-up/bootstrap.mjs";

const FINAL = ["ERR_LAB_NOT_LINUX", "ERR_LAB_PACKAGES_MISSING", "ERR_LAB_DISK_FULL", "ERR_LAB_ABORTED"];
const isFinal = (error) => error instanceof PackagesMissing || FINAL.includes(error.code);
const say = (line) => void process.stderr.write(`${line}\n`);

await bootstrap();
// Imported only here: before the set-up there are no packages.
const { installed } = await import("@vfio/release/installed");
const { withRetries } = await import("./src/tests/with-retries.js");
try {
  await withRetries(debianPackages, { isFinal, say });
  for (const set of ["nodes", "node-arm64", "bun-musl", "toolbox", "runtimes", "bundlers"])
    await withRetries(() => installed(set), { isFinal, say });
  await withRetries(lab, { isFinal, say });
} catch (error) {
  stop(["The tests need this:", error.message, error.hint].filter(Boolean).join("\n"));
}

async function debianPackages() {
  await ensureDebianPackages(Object.assign({}, ...Object.values(debian)), "Running the tests");
}

/** Not built before the set-up. */
async function lab() {
  const { prepareLab } = await import("@vfio/lab");
  const controller = new AbortController();
  const stopIt = () => controller.abort();
  process.on("SIGINT", stopIt);
  try {
    // DPDK is the peer of one of the examples, and strace lets the system calls of another fail.
    const onProgress = ({ message }) => say(message);
    await prepareLab({ extras: ["dpdk", "strace"], onProgress, signal: controller.signal });
  } finally {
    process.off("SIGINT", stopIt);
  }
}
