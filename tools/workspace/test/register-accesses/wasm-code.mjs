/** Runs each access within a WebAssembly memory once; run with --print-wasm-code to see what a compiler makes of it. */
import { LinearMemory } from "@vfio/ioctl-native";

const memory = new LinearMemory({ bytes: 2 ** 20 });
const AT = 70_000 & ~7;
for (const [name, access] of Object.entries(memory.registers)) access(AT, name === "store64" ? 1n : 1, 1);
