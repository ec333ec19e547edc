import { VfioError } from "@vfio/ioctl-native";
import type { OpenRegion } from "@vfio/pci-bar";
import { setTimeout as sleep } from "node:timers/promises";

/** QEMU's educational device, docs/specs/edu.rst. */
export const EDU_VENDOR_ID = 0x1234;
export const EDU_DEVICE_ID = 0x11e8;

const REGISTER = {
  identification: 0x00,
  liveness: 0x04,
  interruptStatus: 0x24,
  interruptAcknowledge: 0x64,
  dmaSource: 0x80,
  dmaDestination: 0x88,
  dmaCount: 0x90,
  dmaCommand: 0x98,
} as const;

const DMA_START = 1n;
const DMA_FROM_DEVICE = 2n;
const DMA_INTERRUPT = 4n;

/** Where the device's own buffer lies in its address space. */
const DEVICE_BUFFER = 0x40000n;

/** How often {@link Edu.dmaDone} looks. */
const POLL_MS = 5;

/** The device's buffer is 4096 bytes, but QEMU 7.2 aborts at a transfer that reaches its end. */
export const EDU_MAX_TRANSFER = 4095;

/** How long, and until when, to wait for the end of a transfer. */
export interface DmaWait {
  /** Ends the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0. Default 10000; the device takes about 100. */
  readonly timeoutMs?: number;
}

/** The edu device, behind its BAR0. */
export class Edu {
  /** @param bar its BAR0, where its registers are. */
  constructor(readonly bar: OpenRegion) {}

  /** 0x010000ed: major and minor version, then "ed". */
  identification(): number {
    return this.bar.read32(REGISTER.identification);
  }

  /** Writes a value to the liveness register and reads back what should be its inverse. */
  invert(value: number): number {
    this.bar.write32(REGISTER.liveness, value);
    return this.bar.read32(REGISTER.liveness);
  }

  /** Starts copying from memory into the device's buffer. */
  copyToDevice(iova: bigint, bytes: number, options: { interrupt: boolean }): void {
    this.#startDma(iova, DEVICE_BUFFER, bytes, options.interrupt ? DMA_INTERRUPT : 0n);
  }

  /** Starts copying from the device's buffer into memory. */
  copyFromDevice(iova: bigint, bytes: number, options: { interrupt: boolean }): void {
    this.#startDma(DEVICE_BUFFER, iova, bytes, DMA_FROM_DEVICE | (options.interrupt ? DMA_INTERRUPT : 0n));
  }

  /**
   * Waits for the end of a transfer by looking at the device: for whoever does not own its interrupt.
   * @throws VfioError `ERR_VFIO_TIMEOUT`; the signal's reason when aborted.
   */
  async dmaDone({ signal, timeoutMs = 10_000 }: DmaWait = {}): Promise<void> {
    const started = performance.now();
    while ((this.bar.read64(REGISTER.dmaCommand) & DMA_START) !== 0n) {
      signal?.throwIfAborted();
      if (performance.now() - started >= timeoutMs) throw dmaTimeout(timeoutMs);
      await sleep(POLL_MS);
    }
  }

  /** Takes the interrupt's reason back, so that the device can raise the next one. */
  acknowledgeInterrupt(): number {
    const status = this.bar.read32(REGISTER.interruptStatus);
    this.bar.write32(REGISTER.interruptAcknowledge, status);
    return status;
  }

  #startDma(source: bigint, destination: bigint, bytes: number, flags: bigint): void {
    this.bar.write64(REGISTER.dmaSource, source);
    this.bar.write64(REGISTER.dmaDestination, destination);
    this.bar.write64(REGISTER.dmaCount, BigInt(bytes));
    this.bar.write64(REGISTER.dmaCommand, DMA_START | flags);
  }
}

function dmaTimeout(timeoutMs: number): VfioError {
  return new VfioError("ERR_VFIO_TIMEOUT", `the edu device's DMA did not end within ${timeoutMs} ms`, {
    hint: "Is bus mastering on? Without it the device cannot reach the memory",
  });
}
