/** `npm run example:<name>`: set-up, then that program of packages/examples. */
import path from "node:path";
import { bootstrap, root, runAsCommand } from "../set-up/bootstrap.mjs";

const [name, ...args] = process.argv.slice(2);
await bootstrap();
await runAsCommand(path.join(root, `packages/examples/dist/${name}.js`), args);
