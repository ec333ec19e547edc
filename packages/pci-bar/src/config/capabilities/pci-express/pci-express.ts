import { bitsOf, hex, isSet, plusMinus } from "../../bits.js";
import type { CapabilityView } from "../../capability-view.js";
import { decodeExpressDevice, describeExpressDevice, type ExpressDevice } from "./device.js";
import { decodeExpressDevice2, describeExpressDevice2, type ExpressDevice2 } from "./device2.js";
import { decodeExpressLink, describeExpressLink, type ExpressLink } from "./link.js";
import { decodeExpressLink2, describeExpressLink2, type ExpressLink2 } from "./link2.js";
import { hasLink, isRoot, leadsDown, portTitle, portTypeOf, type PortType } from "./port-type.js";
import { decodeExpressRoot, describeExpressRoot, type ExpressRoot } from "./root.js";
import { decodeExpressSlot, describeExpressSlot, type ExpressSlot } from "./slot.js";

/** The PCI Express capability (PCI Express Base 3.0, section 7.8). */
export interface PciExpress {
  /** 2 since PCI Express 2.0. */
  readonly version: number;
  readonly type: PortType;
  readonly typeCode: number;
  /** The port's link leads to a slot. Only in downstream ports. */
  readonly slotImplemented: boolean;
  /** The MSI or MSI-X vector of its own interrupts. */
  readonly interruptMessage: number;
  /** Payload sizes, errors, resets. */
  readonly device: ExpressDevice;
  /** Speed, width, ASPM; `undefined` for functions integrated into the root complex. */
  readonly link: ExpressLink | undefined;
  readonly slot: ExpressSlot | undefined;
  /** Only of root ports and event collectors. */
  readonly root: ExpressRoot | undefined;
  /** Timeouts, atomic operations, tags; `undefined` before version 2. */
  readonly device2: ExpressDevice2 | undefined;
  /** Target speed, equalization; `undefined` before version 2, or without a link. */
  readonly link2: ExpressLink2 | undefined;
}

export interface DescribeContext {
  readonly hasMemoryBar: boolean;
  /** The function is the first of the first device on its bus, or its place is unknown. */
  readonly isFirst: boolean;
}

/** Reads 12 to 60 bytes, by type and version. */
export function decodePciExpress(view: CapabilityView): PciExpress {
  const flags = view.read16(2);
  const [version, typeCode] = [bitsOf(flags, 0, 4), bitsOf(flags, 4, 4)];
  const type = portTypeOf(typeCode);
  const slotImplemented = leadsDown(type) && isSet(flags, 8);
  return {
    version,
    type,
    typeCode,
    slotImplemented,
    interruptMessage: bitsOf(flags, 9, 5),
    device: decodeExpressDevice(view),
    link: hasLink(type) ? decodeExpressLink(view) : undefined,
    slot: slotImplemented ? decodeExpressSlot(view) : undefined,
    root: isRoot(type) ? decodeExpressRoot(view) : undefined,
    device2: version >= 2 ? decodeExpressDevice2(view) : undefined,
    link2: version >= 2 && hasLink(type) ? decodeExpressLink2(view) : undefined,
  };
}

export function describePciExpress(express: PciExpress, context: DescribeContext): string[] {
  const { type, device, link, slot, root, device2, link2 } = express;
  const isEndpoint = type === "endpoint" || type === "legacy-endpoint";
  return [
    `Express (v${express.version}) ${titleOf(express)}, MSI ${hex(express.interruptMessage, 2)}`,
    ...describeExpressDevice(device, type),
    ...(link === undefined ? [] : describeExpressLink(link, type)),
    ...(slot === undefined ? [] : describeExpressSlot(slot)),
    ...(root === undefined ? [] : describeExpressRoot(root)),
    ...(device2 === undefined ? [] : describeExpressDevice2(device2, type, context.hasMemoryBar)),
    ...(link2 === undefined ? [] : describeExpressLink2(link2, type, context.isFirst || !isEndpoint)),
  ];
}

function titleOf({ type, typeCode, slotImplemented }: PciExpress): string {
  const title = portTitle(typeCode);
  return leadsDown(type) ? `${title} (Slot${plusMinus(slotImplemented)})` : title;
}
