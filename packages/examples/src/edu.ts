import { VfioError } from "@vfio/ioctl-native";
import { defineRegisters, type OpenRegion, type PciDevice } from "@vfio/pci-bar";
import { setTimeout as sleep } from "node:timers/promises";

/** QEMU's educational device, docs/specs/edu.rst. */
const EDU_VENDOR_ID = 0x1234;
const EDU_DEVICE_ID = 0x11e8;

/** 32-bit registers below 0x80, 64-bit ones from there on. */
const EDU_REGISTERS = defineRegisters({
  identification: { offset: 0x00, access: "ro", reset: 0x010000ed, text: "Version, and 0xed" },
  liveness: { offset: 0x04, text: "Reads as the inverse of what was written" },
  interruptStatus: { offset: 0x24, access: "ro", text: "Why it raised an interrupt" },
  interruptAcknowledge: { offset: 0x64, access: "wo", text: "Takes reasons back" },
  dmaSource: { offset: 0x80, width: 64 },
  dmaDestination: { offset: 0x88, width: 64 },
  dmaCount: { offset: 0x90, width: 64, text: "In bytes" },
  dmaCommand: {
    offset: 0x98,
    width: 64,
    fields: {
      start: { bit: 0, text: "Set to start; clears itself at the end" },
      fromDevice: { bit: 1 },
      interrupt: { bit: 2, text: "Raise one at the end" },
    },
  },
});

const DEVICE_BUFFER = 0x40000n;

/** The bus's answer for a device that does not answer. */
const ALL_ONES = 0xffff_ffff;

const POLL_MS = 5;

/** The device's buffer is 4096 bytes, but QEMU 7.2 aborts at a transfer that reaches its end. */
export const EDU_MAX_TRANSFER = 4095;

/** Limits of {@link Edu.dmaDone}'s wait. */
export interface DmaWait {
  /** Ends the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0. Default 10000; the device takes about 100. */
  readonly timeoutMs?: number;
}

/** The edu device, behind its BAR0. */
export class Edu {
  readonly registers: ReturnType<typeof EDU_REGISTERS.on>;

  constructor(readonly bar: OpenRegion) {
    this.registers = EDU_REGISTERS.on(bar);
  }

  /** 0x010000ed: major and minor version, then "ed". */
  identification(): number {
    return this.registers.identification.read();
  }

  /** Writes the liveness register and reads back what should be the value's inverse. */
  invert(value: number): number {
    this.registers.liveness.write(value);
    return this.registers.liveness.read();
  }

  /** Starts copying from memory into the device's buffer. */
  copyToDevice(iova: bigint, bytes: number, { interrupt }: { interrupt: boolean }): void {
    this.#setDma(iova, DEVICE_BUFFER, bytes);
    this.registers.dmaCommand.write({ start: true, interrupt });
  }

  /** Starts copying from the device's buffer into memory. */
  copyFromDevice(iova: bigint, bytes: number, { interrupt }: { interrupt: boolean }): void {
    this.#setDma(DEVICE_BUFFER, iova, bytes);
    this.registers.dmaCommand.write({ start: true, fromDevice: true, interrupt });
  }

  /**
   * Polls the device until a transfer ends: for processes that do not own its interrupt.
   * @throws VfioError `ERR_VFIO_TIMEOUT`; the signal's reason when aborted.
   */
  async dmaDone({ signal, timeoutMs = 10_000 }: DmaWait = {}): Promise<void> {
    const started = performance.now();
    while (this.registers.dmaCommand.fields.start.read()) {
      signal?.throwIfAborted();
      if (performance.now() - started >= timeoutMs) throw this.#dmaTimeout(timeoutMs);
      await sleep(POLL_MS);
    }
  }

  /** Clears the interrupt's cause, so that the device can raise the next one. */
  acknowledgeInterrupt(): number {
    const status = this.registers.interruptStatus.read();
    this.registers.interruptAcknowledge.write(status);
    return status;
  }

  #dmaTimeout(timeoutMs: number): VfioError {
    const message = `the edu device's DMA did not end within ${timeoutMs} ms`;
    if (this.identification() !== ALL_ONES) return new VfioError("ERR_VFIO_TIMEOUT", message);
    const hint = "its registers read as all ones: the device is gone, or its memory space is off";
    return new VfioError("ERR_VFIO_TIMEOUT", message, { hint });
  }

  #setDma(source: bigint, destination: bigint, bytes: number): void {
    this.registers.dmaSource.write(source);
    this.registers.dmaDestination.write(destination);
    this.registers.dmaCount.write(BigInt(bytes));
  }
}

/** The driver of a device with mapped BARs; `undefined` if it is no edu device. */
export function eduOf(
  { vendorId, deviceId }: Pick<PciDevice, "vendorId" | "deviceId">,
  bars: readonly OpenRegion[],
): Edu | undefined {
  const bar0 = bars.find(({ index }) => index === 0);
  const isEdu = vendorId === EDU_VENDOR_ID && deviceId === EDU_DEVICE_ID;
  return isEdu && bar0 !== undefined ? new Edu(bar0) : undefined;
}
