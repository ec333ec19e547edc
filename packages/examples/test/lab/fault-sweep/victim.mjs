// What a primary and its secondary ask of the kernel, in one process, as often as somebody asks for it: each line of
// standard input runs all of it once, and a line of JSON tells how that ended. The first run warms up.
import { createInterface } from "node:readline";
import { decodeMemoryDescription, DmaMapper, HugepageMemory } from "@vfio/dma";
import { createMemoryFile, isVfioError } from "@vfio/ioctl-native";
import { connectToPrimary, FdServer } from "@vfio/mp-sync";
import { PciDevice } from "@vfio/pci-bar";
import { Container, Group, iommuGroupOf } from "@vfio/vfio-core";

const [bdf, path] = process.argv.slice(2);
const PATIENCE_MS = 2000;
const LEASED = 0x8000_0000n;

async function all(own) {
  const container = own(Container.open());
  const group = own(container.addGroup(iommuGroupOf(bdf)));
  container.iommuInfo();
  const memory = own(HugepageMemory.allocate({ bytes: 4096 }));
  const mapper = own(new DmaMapper(container, { iova: "physical" }));
  const mapping = mapper.map(memory);
  const device = own(group.openDevice(bdf));
  const pci = own(new PciDevice(device));
  pci.mapBars();
  const interrupts = pci.setUpInterrupts();
  pci.busMaster = true;
  interrupts.enable();
  interrupts.disable();
  const memories = [{ file: memory, description: mapping.describe() }];
  own(await FdServer.listen({ container, groups: [group], memories, path }));
  await secondary(own, group.number);
}

async function secondary(own, number) {
  const options = { timeoutMs: PATIENCE_MS };
  const peer = own(await connectToPrimary({ path, ...options }));
  const group = own(Group.from(await peer.group(number, options)));
  const device = own(group.openDevice(bdf));
  const pci = own(new PciDevice(device));
  pci.bar(0).map();
  const [shared] = await peer.memory(options);
  const { bytes, pageBytes } = decodeMemoryDescription(shared.description);
  own(HugepageMemory.attach(shared.file, bytes, pageBytes));
  const file = own(createMemoryFile({ bytes: 4096, pageBytes: 4096 }));
  own(await peer.mapDma({ file, iova: LEASED, bytes: 4096, ...options }));
}

/** Everything in order, and given back the other way round whatever happens. All errors, in the order they came. */
async function run() {
  const owned = [];
  const errors = [];
  const own = (resource) => (owned.push(resource), resource);
  await all(own).catch((error) => errors.push(error));
  for (const resource of owned.reverse()) await giveBack(resource, errors);
  return errors;
}

/** What could not be given back is still there, and can be given back once more. */
async function giveBack(resource, errors) {
  const dispose = () => (resource[Symbol.asyncDispose] ?? resource[Symbol.dispose]).call(resource);
  try {
    await dispose();
  } catch (error) {
    errors.push(error);
    await dispose();
  }
}

function told(error) {
  const { name, code, message, syscall, hint, stack } = error;
  return { name, code, message, syscall, hint, stack, isOurs: isVfioError(error) };
}

createInterface({ input: process.stdin }).on("line", async () => {
  const errors = await run().catch((error) => [error]);
  console.log(JSON.stringify(errors.map(told)));
});
console.log("ready");
