/** `npm run example:<name>`: set-up, then that program of packages/examples. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { bootstrap, root } from "./bootstrap.mjs";

const [name, ...args] = process.argv.slice(2);
bootstrap();
const program = path.join(root, `packages/examples/dist/${name}.js`);
const { status } = spawnSync(process.execPath, [program, ...args], { stdio: "inherit" });
process.exitCode = status ?? 130;
