/** `npm run lab -- <command…>`: set-up, then one command (or a shell) in the lab, in the folder it was typed in. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { bootstrap, root } from "./bootstrap.mjs";

bootstrap();
const program = path.join(root, "tools/lab/dist/cli.js");
const cwd = process.env.INIT_CWD ?? process.cwd();
const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], {
  stdio: "inherit",
  cwd,
});
process.exitCode = status ?? 130;
