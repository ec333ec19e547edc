import { FdServer } from "@vfio/mp-sync";
import { PciDevice, type Interrupts, type OpenRegion } from "@vfio/pci-bar";
import { Container, Group, iommuGroupOf } from "@vfio/vfio-core";
import { eduOf } from "../edu.js";
import { mapHugepages, type DmaMemory } from "./dma-memory.js";
import * as facts from "./facts.js";
import type { PipelineOptions } from "./options.js";
import type { Reporter } from "./reporter.js";
import { dmaRoundTrip } from "./round-trip.js";

/** Each role has its own places in the shared memory. */
const PLACES = { source: 0, target: 16 << 10 };
const INTERRUPT_TIMEOUT_MS = 10_000;
const MIB = 1024 * 1024;

/** Made by steps 8 to 10. */
interface ReadyDevice {
  readonly pci: PciDevice;
  readonly bars: readonly OpenRegion[];
  readonly interrupts: Interrupts;
}

/** The primary process: the ten steps, a DMA round trip, then serving secondaries until `signal` ends it. */
export async function runPrimary(
  options: PipelineOptions,
  report: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const { bdf, memoryMiB, prefix } = options;

  using container = report.step(1, "open a container", () => Container.open(), facts.containerFacts);
  const number = report.step(
    2,
    "find the device's IOMMU group",
    () => iommuGroupOf(bdf),
    facts.groupNumberFacts(bdf),
  );
  using group = report.step(3, "open the group", () => Group.open(number), facts.groupFacts);
  report.step(4, "check that the group is viable", () => group.checkViable(), facts.memberFacts(group));
  report.step(
    5,
    "add the group to the container, set the IOMMU type",
    () => container.attach(group),
    facts.iommuFacts(container),
  );
  using dmaMemory = report.step(
    6,
    "map all hugepage memory for DMA, IOVA = PA",
    () => mapHugepages(container, memoryMiB * MIB),
    facts.mappingFacts,
  );
  using device = report.step(7, "get the device fd", () => group.openDevice(bdf), facts.deviceFacts);
  using pci = new PciDevice(device);
  const ready = makeReady(report, pci);

  await roundTrip(report, ready, dmaMemory, signal);
  await serve(report, { container, group, dmaMemory, prefix }, signal);
}

/** Steps 8 to 10. What they make belongs to `pci` and is closed with it. */
function makeReady(report: Reporter, pci: PciDevice): ReadyDevice {
  const bars = report.step(
    8,
    "map the BARs, but not the MSI-X table's",
    () => pci.mapBars(),
    facts.barFacts(pci),
  );
  const interrupts = report.step(
    9,
    "set up interrupts, not enabled",
    () => pci.setUpInterrupts(),
    facts.interruptFacts,
  );
  report.step(
    10,
    "enable bus mastering",
    () => (pci.busMaster = true),
    () => ({ readBack: pci.busMaster }),
  );
  return { pci, bars, interrupts };
}

async function roundTrip(
  report: Reporter,
  { pci, bars, interrupts }: ReadyDevice,
  { memory, mapping }: DmaMemory,
  signal: AbortSignal,
): Promise<void> {
  const title = "DMA to the device and back, completion by interrupt";
  const edu = eduOf(pci, bars);
  if (edu === undefined) return report.leftOut(title, "there is no driver here for this device");

  let count = 0;
  const interrupted = async (): Promise<void> => {
    count += await interrupts.vector(0).wait({ timeoutMs: INTERRUPT_TIMEOUT_MS, signal });
    edu.acknowledgeInterrupt();
    if (interrupts.type === "intx") interrupts.unmask();
  };
  const view = { buffer: memory.buffer, table: mapping };
  await report.task(
    title,
    async () => {
      interrupts.enable();
      const result = await dmaRoundTrip(edu, view, PLACES, 1, interrupted, { interrupt: true });
      interrupts.disable();
      return result;
    },
    (result) => ({ ...result, interruptType: interrupts.type, interrupts: count }),
  );
}

async function serve(
  report: Reporter,
  shared: { container: Container; group: Group; dmaMemory: DmaMemory; prefix: string },
  signal: AbortSignal,
): Promise<void> {
  const { container, group, dmaMemory, prefix } = shared;
  await using server = await report.task(
    "serve the fds to secondaries",
    async () =>
      await FdServer.listen({
        container,
        groups: [group],
        memories: [{ file: dmaMemory.memory, description: dmaMemory.mapping.describe() }],
        prefix,
      }),
    ({ path }) => ({ path }),
  );
  report.emit({ event: "listening", role: "primary", path: server.path });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
