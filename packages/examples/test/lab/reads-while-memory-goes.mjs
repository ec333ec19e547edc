// Reads and writes a BAR in a loop, in all ways there are, while its memory space is switched off behind its back, and
// while its device is cut off the bus; prints what it saw as JSON. Run by a test with several versions of Node.js.
import { execFileSync } from "node:child_process";
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { createMemoryFile, kernel, LinearMemory, Mapping, readAt, writeAt } from "@vfio/ioctl-native";
import { PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";

const [, , bdf, port] = process.argv;
const ONES = 0xffffffff;
const COMMAND = 7 * 2 ** 40 + 4;
const codeOf = (use) => {
  try {
    use();
    return "none";
  } catch (error) {
    return error.code ?? String(error);
  }
};

const container = Container.open();
const group = container.addGroup(iommuGroupOf(bdf));
const device = group.openDevice(bdf);
const pci = new PciDevice(device);
pci.memorySpace = true;
let bar = pci.bar(0).map();
const memory = new LinearMemory({ bytes: 4 << 20 });
const within = pci.bar(0).open({ within: memory });
const { address } = within.windows[0].place;
const words = new Int32Array(memory.buffer, address, 2);
/** As any code reads the BAR that has the memory. */
const inMemory = {
  read32: (offset) => Atomics.load(words, offset / 4) >>> 0,
  write32: (offset, value) => void (words[offset / 4] = value),
};

/** Natively and, once V8 has compiled it, inline; each value that is neither what it was nor ones counts as odd. */
function loop(region, rounds) {
  let ones = 0;
  let odd = 0;
  for (let round = 0; round < rounds; round++) {
    const value = region.read32(0);
    region.write32(4, round);
    if (value === 0xffffffff) ones++;
    else if (value !== 0x010000ed) odd++;
  }
  return { ones, odd };
}

/** Behind the library's back, as another process with the device's fd can: the kernel takes the BAR's pages away. */
function memorySpace(on) {
  const command = readAt(device, COMMAND, 2, "the command register");
  command[0] = on ? command[0] | 2 : command[0] & ~2;
  writeAt(device, COMMAND, command, "the command register");
}

/** Something else lies where the BAR was. */
function useAgain() {
  const file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
  const mapping = Mapping.map({ file, bytes: 4096, within: memory });
  mapping.registers.write32(4, 77);
  seen.within.push(mapping.place.address === address, words[1]);
  mapping.close();
  file.close();
}

const seen = { warm: loop(bar, 20_000), within: [loop(inMemory, 20_000), loop(within, 20_000)] };
const worker = new Worker(
  `const { workerData, parentPort } = require("node:worker_threads");
   import(workerData.built).then(({ OpenRegion }) => {
     const region = OpenRegion.fromShared(workerData.shared);
     let rounds = 0, odd = 0;
     for (;;) {
       const value = region.read32(0);
       region.write32(4, rounds++);
       if (rounds === 100) parentPort.postMessage("running");
       if (value === ${ONES}) break;
       if (value !== 0x010000ed) odd++;
     }
     parentPort.postMessage({ odd, gone: region.gone, last: region.read32(0) });
   });`,
  {
    eval: true,
    execArgv: [],
    workerData: { built: import.meta.resolve("@vfio/pci-bar"), shared: bar.share() },
  },
);
const next = () => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
await next();
memorySpace(false);
seen.worker = await next();
await worker.terminate();
const { ones, odd } = loop(bar, 20_000);
seen.off = { ones, odd, gone: bar.gone, present: pci.present };
seen.codes = [codeOf(() => bar.readBlock(0, new Uint32Array(4))), codeOf(() => bar.pollMaskSync(0, 1, 1))];
seen.within.push(loop(inMemory, 20_000), loop(within, 20_000), within.gone);
seen.codes.push(codeOf(() => within.readBlock(0, new Uint32Array(4))));
bar.close();
within.close();
seen.within.push(words[0]);
useAgain();
memorySpace(true);
bar = pci.bar(0).map();
seen.within.push(loop(pci.bar(0).open({ within: memory }), 1000), loop(inMemory, 1000));
seen.again = { ...loop(bar, 1000), gone: bar.gone, present: pci.present };

if (port !== undefined) {
  const answering = (bus) => execFileSync("setpci", ["-s", port, `SECONDARY_BUS=${bus}`]);
  answering("00");
  seen.cut = { ...loop(bar, 20_000), present: pci.present };
  answering("02");
}
bar.close();
pci.close();
device.close();
group.close();
container.close();
seen.maps = kernel().readText("/proc/self/maps").includes("vfio-device");
writeSync(1, JSON.stringify(seen));
