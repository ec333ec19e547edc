// Joins a cgroup, allocates memory there and tells what came of it as a line of JSON: the cgroup's folder, then the
// options of HugepageMemory.allocate as JSON.
import { writeFileSync } from "node:fs";
import process from "node:process";
import { HugepageMemory } from "@vfio/dma";

const [folder, options] = process.argv.slice(2);
writeFileSync(`${folder}/cgroup.procs`, String(process.pid));
try {
  const memory = HugepageMemory.allocate(JSON.parse(options));
  console.log(JSON.stringify({ bytes: memory.bytes }));
  memory.close();
} catch ({ code, syscall, message, hint }) {
  console.log(JSON.stringify({ code, syscall, message, hint }));
}
