import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const workspace = path.resolve(import.meta.dirname, "..");

/** Some tests look at the documentation site. `npm test` has just made it; a run of these tests alone may have none. */
export default function buildSite(): void {
  if (existsSync(path.join(workspace, "../../docs/site/index.html"))) return;
  // Its set-up would build beside the Nx that runs these tests.
  const env = { ...process.env, VFIO_SET_UP: "done" };
  execFileSync(process.execPath, [path.join(workspace, "docs.mjs"), "--check"], { stdio: "inherit", env });
}
