/** `npm start`: set-up, then the pipeline. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { bootstrap, root } from "./bootstrap.mjs";

bootstrap();
const program = path.join(root, "packages/examples/dist/start.js");
const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 130;
