/** Names that the examples in the pages take as given. */
import type { Fd } from "@vfio/ioctl-native";
import type { PrimaryPeer } from "@vfio/mp-sync";
import type { DmaMapper, DmaMapping, HugepageMemory } from "@vfio/dma";
import type { PciDevice } from "@vfio/pci-bar";
import type { Container, Device, Group } from "@vfio/vfio-core";

declare global {
  /** From another library, or opened by hand. */
  const containerFd: number;
  const container: Container;
  const group: Group;
  const otherGroup: Group;
  const device: Device;
  const memory: HugepageMemory;
  const mapping: DmaMapping;
  const dma: DmaMapper;
  const peer: PrimaryPeer;
  const pci: PciDevice;
  const bar0: ReturnType<ReturnType<PciDevice["bar"]>["map"]>;
  const file: Fd;
  const signal: AbortSignal;
  const packet: Uint32Array;
  const halves: Uint32Array;
  /** An export of a WebAssembly module. */
  function run(...addresses: number[]): void;
  function serve(count: number): void;
  function serveUntil(signal: AbortSignal): Promise<void>;
  function stopTheDevice(): void;
  const descriptor: { low: number; high: number };
  /** The phase of this round's completions. */
  const phase: number;
  const fd: Fd;
}
