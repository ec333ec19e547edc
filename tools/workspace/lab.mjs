/** `npm run lab -- <command…>`: set-up, then one command (or a shell) in the lab, in the folder it was typed in. */
import path from "node:path";
import { bootstrap, root, runAsCommand } from "../set-up/bootstrap.mjs";

/** As the lab's own: any other code is the command's. */
const LAB_FAILED = 125;

await bootstrap({ exitCode: LAB_FAILED });
await runAsCommand(path.join(root, "tools/lab/dist/cli.js"), process.argv.slice(2), {
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
