/**
 * Joining a C primary of 2014, by our secondary and by one in C: the container, then a group. Two ordinary files stand
 * in for them, at paths that look like theirs; our secondary looks at what it got in every way, the C program in none.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { comparePairs, runC } from "@vfio/test-support/benchmark";
import { pathOf, primaryInC } from "./peers.mjs";

const GROUP = "7";
const ROUNDS = 5000;

mkdirSync(pathOf("vfio"));
const files = ["vfio", GROUP].map((name) => pathOf(`vfio/${name}`));
for (const file of files) writeFileSync(file, "");
const socket = await primaryInC(...files, GROUP);
const ourAttach = [path.join(import.meta.dirname, "attach.mjs"), socket, GROUP, String(ROUNDS)];

comparePairs({
  what: "our secondary joins a C primary: container + group",
  unit: "ns",
  goal: 1.25,
  ours: () => Number(execFileSync(process.execPath, ourAttach, { encoding: "utf8" })),
  c: () => runC(import.meta.dirname, "secondary", "attach", socket, GROUP, ROUNDS),
});
process.exit();
