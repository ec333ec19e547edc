// Lays all kinds of mappings into one WebAssembly memory and maps them for DMA; a worker writes there for ever. Says so,
// and waits for its end.
import process from "node:process";
import { setInterval } from "node:timers";
import { Worker } from "node:worker_threads";
import { DmaMapper, HugepageMemory } from "@vfio/dma";
import { LinearMemory } from "@vfio/ioctl-native";
import { PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";

const [, , bdf] = process.argv;
const memory = new LinearMemory({ bytes: 2 ** 32 });
const container = Container.open();
const pci = new PciDevice(container.addGroup(iommuGroupOf(bdf)).openDevice(bdf));
const bar = pci.bar(0).open({ within: memory });
const dma = new DmaMapper(container, { iova: "allocate" });
for (const pageBytes of [4096, 2 << 20, 1 << 30])
  dma.map(HugepageMemory.allocate({ bytes: pageBytes, pageBytes, within: memory }));
const pool = dma.pool({ count: 64, bytes: 2048, within: memory });

const worker = new Worker(
  `const { parentPort, workerData } = require("node:worker_threads");
   const words = new Uint32Array(workerData.memory.buffer, workerData.address, workerData.words);
   parentPort.postMessage("running");
   for (let round = 0; ; round++) words.fill(round);`,
  {
    eval: true,
    workerData: { memory: memory.memory, address: pool.place.address, words: pool.bytes.length / 4 },
  },
);
worker.on("message", (text) => console.log(text));
setInterval(() => bar.write32(4, pool.bytes[0]), 1);
