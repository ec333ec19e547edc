/** `npm start`: set-up, then the pipeline. */
import path from "node:path";
import { bootstrap, root, runAsCommand } from "../set-up/bootstrap.mjs";

await bootstrap();
await runAsCommand(path.join(root, "packages/examples/dist/start.js"), process.argv.slice(2));
