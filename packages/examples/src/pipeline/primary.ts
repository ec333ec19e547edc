import { DmaMapper, HugepageMemory, type DmaMapping } from "@vfio/dma";
import { FdServer } from "@vfio/mp-sync";
import { PciDevice, type Interrupts, type MappedBar } from "@vfio/pci-bar";
import { Container, devicesOfGroup, Group, iommuGroupOf } from "@vfio/vfio-core";
import { Edu, EDU_DEVICE_ID, EDU_VENDOR_ID } from "../edu.js";
import * as facts from "./facts.js";
import type { PipelineOptions } from "./options.js";
import type { Reporter } from "./reporter.js";
import { dmaRoundTrip } from "./round-trip.js";

/** Each role has its own places in the shared memory. */
const PLACES = { source: 0, target: 16 << 10 };
const INTERRUPT_TIMEOUT_MS = 10_000;

/** The primary process: the ten steps, a DMA round trip, then serving secondaries until `signal` ends it. */
export async function runPrimary(
  options: PipelineOptions,
  report: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const { bdf } = options;

  using container = report.step(1, "open a container", () => Container.open(), facts.containerFacts);
  const number = report.step(
    2,
    "find the device's IOMMU group",
    () => iommuGroupOf(bdf),
    (group) => ({ bdf, group }),
  );
  using group = report.step(
    3,
    "open the group",
    () => Group.open(number),
    () => ({ path: `/dev/vfio/${number}` }),
  );
  report.step(
    4,
    "check that the group is viable",
    () => group.checkViable(),
    () => ({ devices: membersOf(number) }),
  );
  report.step(
    5,
    "add the group to the container, set the IOMMU type",
    () => container.attach(group),
    () => facts.iommuFacts(container.iommuInfo()),
  );

  using memory = HugepageMemory.allocate({ bytes: options.memoryMiB << 20 });
  using dma = new DmaMapper(container, { iova: "physical" });
  const mapping = report.step(
    6,
    "map all hugepage memory for DMA, IOVA = PA",
    () => dma.map(memory),
    facts.mappingFacts,
  );

  using device = report.step(7, "get the device fd", () => group.openDevice(bdf), facts.deviceFacts);
  using pci = new PciDevice(device);
  const bars = report.step(
    8,
    "map the BARs, but not the MSI-X table's",
    () => pci.mapBars(),
    (mapped) => facts.barFacts(pci, mapped),
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

  await roundTrip(report, pci, bars, { memory, mapping, interrupts });
  await serve({ container, group, memory, mapping }, options, report, signal);
}

async function roundTrip(
  report: Reporter,
  pci: PciDevice,
  bars: readonly MappedBar[],
  { memory, mapping, interrupts }: { memory: HugepageMemory; mapping: DmaMapping; interrupts: Interrupts },
): Promise<void> {
  const title = "DMA to the device and back, completion by interrupt";
  const bar0 = bars.find(({ index }) => index === 0);
  if (bar0 === undefined || !isEdu(pci))
    return report.leftOut(title, "there is no driver here for this device");

  const edu = new Edu(bar0);
  let count = 0;
  const interrupted = async (): Promise<void> => {
    count += await interrupts.vector(0).wait({ timeoutMs: INTERRUPT_TIMEOUT_MS });
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
  shared: { container: Container; group: Group; memory: HugepageMemory; mapping: DmaMapping },
  options: PipelineOptions,
  report: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const { container, group, memory, mapping } = shared;
  await using server = await report.task(
    "serve the fds to secondaries",
    async () =>
      await FdServer.listen({
        container,
        groups: [group],
        memories: [{ file: memory, description: mapping.describe() }],
        prefix: options.prefix,
      }),
    ({ path }) => ({ path }),
  );
  report.emit({ event: "listening", role: "primary", path: server.path });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function isEdu(pci: PciDevice): boolean {
  return pci.vendorId === EDU_VENDOR_ID && pci.deviceId === EDU_DEVICE_ID;
}

function membersOf(group: number): string[] {
  return devicesOfGroup(group).map(({ bdf, driver }) => `${bdf} (${driver ?? "no driver"})`);
}
