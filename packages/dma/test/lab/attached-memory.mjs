// Attaches another process's DMA memory: its fd is 3 here, its description the argument, in base64; with the argument
// "within", it lays the memory into a WebAssembly memory of its own. Tells what it sees there as a line of JSON, and
// writes a pattern into the last 4096 bytes.
import { Buffer } from "node:buffer";
import { Fd, LinearMemory } from "@vfio/ioctl-native";
import { decodeMemoryDescription, HugepageMemory } from "@vfio/dma";

const { bytes, pageBytes, table } = decodeMemoryDescription(Buffer.from(process.argv[2], "base64"));
const within = process.argv[3] === "within" ? new LinearMemory({ bytes: 16 << 20 }) : undefined;
const memory = HugepageMemory.attach(new Fd(3, "the memory"), bytes, pageBytes, { within });
const words = new Uint32Array(within?.buffer ?? memory.buffer, memory.place?.address, bytes / 4);
const physical = memory.physicalAddresses().map(String);
const iovas = physical.map((_, page) => String(table.iovaOf(page * pageBytes, pageBytes)));
console.log(JSON.stringify({ seen: words[5], physical, iovas }));
words.fill(0xfeed_beef, words.length - 1024);
memory.close();
