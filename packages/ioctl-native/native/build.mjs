/**
 * Compiles the addon and puts it where the loader looks: prebuilds/<platform>-<arch>/ioctl-native.node.
 * binding.gyp lies in this folder and not in the package's root, because npm runs node-gyp for every package
 * that has one in its root, even when a compiled binary is already there.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const native = import.meta.dirname;
const prefix = path.dirname(path.dirname(process.execPath));
// Node's own headers lie beside the executable in every normal installation; only without them node-gyp must download.
const headers = existsSync(path.join(prefix, "include/node/node_api.h")) ? [`--nodedir=${prefix}`] : [];
const nodeGyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");

execFileSync(process.execPath, [nodeGyp, "rebuild", "--silent", ...headers], {
  cwd: native,
  stdio: "inherit",
});

const target = path.join(native, "../prebuilds", `${process.platform}-${process.arch}`);
mkdirSync(target, { recursive: true });
// Renamed into place: a process that has the old one loaded must not see its code change under it.
const incoming = path.join(target, `ioctl-native.node.${process.pid}`);
copyFileSync(path.join(native, "build/Release/ioctl_native.node"), incoming);
renameSync(incoming, path.join(target, "ioctl-native.node"));
