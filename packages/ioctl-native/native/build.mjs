#!/usr/bin/env node
/**
 * Compiles the addon for this machine, where the loader looks before it looks at the prebuilt binaries:
 *
 *     npx ioctl-native              compile
 *     npx ioctl-native --if-asked   only if npm was called with --build-from-source
 */
import path from "node:path";
import { compile } from "./compile.mjs";

const ifAsked = process.argv.includes("--if-asked");
const asked = !["", "false", undefined].includes(process.env.npm_config_build_from_source);

if (!ifAsked || asked) {
  try {
    const folder = path.join(import.meta.dirname, "build", `${process.platform}-${process.arch}`);
    await compile({ output: path.join(folder, "ioctl-native.node") });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
