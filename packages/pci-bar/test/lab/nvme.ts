import { createMemoryFile, ioctl, Mapping } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { defineRegisters, type OpenRegion, type PciDevice } from "../../src/index.js";
import { NVME, openDevice, until } from "./machine.js";

export const REGISTERS = defineRegisters({
  capabilities: {
    offset: 0x00,
    width: 64,
    access: "ro",
    fields: { queueEntries: { bits: [15, 0] }, doorbellStride: { bits: [35, 32] } },
  },
  version: { offset: 0x08, access: "ro", fields: { major: { bits: [31, 16] }, minor: { bits: [15, 8] } } },
  interruptMaskSet: { offset: 0x0c },
  interruptMaskClear: { offset: 0x10, access: "w1c" },
  configuration: {
    offset: 0x14,
    fields: { enable: { bit: 0 }, submissionEntry: { bits: [19, 16] }, completionEntry: { bits: [23, 20] } },
  },
  status: { offset: 0x1c, access: "ro", fields: { ready: { bit: 0 }, fatal: { bit: 1 } } },
  adminQueue: { offset: 0x24, fields: { submissions: { bits: [11, 0] }, completions: { bits: [27, 16] } } },
  adminSubmissions: { offset: 0x28, width: 64 },
  adminCompletions: { offset: 0x30, width: 64 },
});
const DOORBELLS = 0x1000;

/** A queue pair has a page for its submissions, of 64 bytes each, and one for its completions, of 16. */
const PAGE = 4096;
const ENTRIES = 64;
const PAIRS = 5;
const IOVA = 0x1000_0000;

interface Command {
  readonly opcode: number;
  readonly namespace?: number;
  readonly address?: number;
  readonly dword10?: number;
  readonly dword11?: number;
}

export const FLUSH: Command = { opcode: 0x00, namespace: 1 };
/** Asks how many queues there are. */
export const GET_FEATURES: Command = { opcode: 0x0a, dword10: 0x07 };

/** An NVMe controller with a driver that is just enough to have it interrupt. */
export class Nvme implements Disposable {
  readonly pci: PciDevice;
  readonly #device = openDevice(NVME);
  readonly #memory = mapMemory();
  readonly #bar: OpenRegion;
  #pairs: QueuePair[] = [];

  constructor() {
    this.pci = this.#device.pci;
    this.#bar = this.pci.bar(0).map({ msixTable: "around" });
    const { address: vaddr, bytes } = this.#memory;
    const { VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE } = vfioConstants;
    const flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
    const request = vfioStructs.vfio_iommu_type1_dma_map;
    const values = { argsz: request.bytes, flags, vaddr, iova: BigInt(IOVA), size: BigInt(bytes) };
    ioctl(this.#device.container, vfioIoctls.VFIO_IOMMU_MAP_DMA, request.encode(values));
    this.pci.busMaster = true;
  }

  /** Starts the controller; it has the admin queues alone, which interrupt with vector 0. */
  async start(): Promise<QueuePair> {
    const regs = REGISTERS.on(this.#bar);
    regs.configuration.write({});
    await regs.status.waitFor({ ready: false }, { timeoutMs: 5000 });
    new Uint8Array(this.#memory.buffer).fill(0);
    this.#pairs = [];
    const admin = this.#newPair();
    regs.adminQueue.write({ submissions: ENTRIES - 1, completions: ENTRIES - 1 });
    regs.adminSubmissions.writeRaw(BigInt(admin.submissions));
    regs.adminCompletions.writeRaw(BigInt(admin.completions));
    regs.configuration.write({ enable: true, submissionEntry: 6, completionEntry: 4 });
    await regs.status.waitFor({ ready: true, fatal: false }, { timeoutMs: 5000 });
    return admin;
  }

  /**
   * Has the controller create a queue pair that interrupts with this vector (NVMe 1.4, sections 5.3 and 5.4). That takes two
   * commands; `afterCommand` may take the interrupt of each, for two that are not yet delivered are one.
   */
  async createPair(vector: number, afterCommand?: () => Promise<void>): Promise<QueuePair> {
    const [admin] = this.#pairs;
    if (admin === undefined) throw new Error("the controller is not started");
    const pair = this.#newPair();
    const dword10 = ((ENTRIES - 1) << 16) | pair.id;
    await admin.run({ opcode: 0x05, address: pair.completions, dword10, dword11: (vector << 16) | 0b11 });
    await afterCommand?.();
    await admin.run({ opcode: 0x01, address: pair.submissions, dword10, dword11: (pair.id << 16) | 0b1 });
    await afterCommand?.();
    return pair;
  }

  /** The kernel resets the device when its last fd is closed: then it does not reach the memory any more. */
  [Symbol.dispose](): void {
    this.#device[Symbol.dispose]();
    this.#memory.close();
  }

  #newPair(): QueuePair {
    const stride = 4 << REGISTERS.on(this.#bar).capabilities.read().doorbellStride;
    const pair = new QueuePair(this.#pairs.length, this.#memory.buffer, this.#bar, stride);
    this.#pairs.push(pair);
    return pair;
  }
}

/** A submission queue and its completion queue. */
export class QueuePair {
  readonly submissions: number;
  readonly completions: number;
  #turn = 0;

  constructor(
    readonly id: number,
    private readonly memory: ArrayBuffer,
    private readonly bar: OpenRegion,
    private readonly stride: number,
  ) {
    this.submissions = IOVA + 2 * id * PAGE;
    this.completions = this.submissions + PAGE;
  }

  /** Runs a command; that it is completed shows in memory, whether or not there was an interrupt. */
  async run({ opcode, namespace = 0, address = 0, dword10 = 0, dword11 = 0 }: Command): Promise<void> {
    const slot = this.#turn % ENTRIES;
    // The controller inverts this bit each time it comes round (section 4.6.1).
    const phase = (Math.floor(this.#turn / ENTRIES) + 1) % 2;
    const words = [opcode | (slot << 16), namespace, 0, 0, 0, 0, address, 0, 0, 0, dword10, dword11];
    new Uint32Array(this.memory, this.submissions - IOVA + 64 * slot).set(words);
    this.#turn += 1;
    this.#ring(0);

    const completion = new Uint32Array(this.memory, this.completions - IOVA + 16 * slot, 4);
    await until(() => ((completion[3]! >>> 16) & 1) === phase);
    this.#ring(1);
    const status = completion[3]! >>> 17;
    if (status !== 0) throw new Error(`command ${opcode} ended with status 0x${status.toString(16)}`);
  }

  /** The doorbell of the submissions' tail, or of the completions' head. */
  #ring(which: 0 | 1): void {
    this.bar.write32(DOORBELLS + (2 * this.id + which) * this.stride, this.#turn % ENTRIES);
  }
}

function mapMemory(): Mapping {
  using file = createMemoryFile({ bytes: 2 * PAIRS * PAGE, pageBytes: PAGE });
  return Mapping.map({ file, bytes: 2 * PAIRS * PAGE, name: "the queues" });
}
