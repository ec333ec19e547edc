import { types } from "node:util";
import {
  decodeCapability,
  type Capability,
  type CapabilityFields,
  type CapabilityKind,
} from "./capability.js";
import {
  walkExtendedCapabilities,
  walkStandardCapabilities,
  type CapabilityPlace,
} from "./capability-walk.js";
import { checkConfigReader, type SizedConfig } from "./config-reader.js";
import { describeConfig, type DescribeOptions } from "./describe.js";
import type { PortType } from "./capabilities/pci-express/port-type.js";
import { decodeHeader, type PciHeader } from "./header.js";

const STANDARD_BYTES = 0x100;
const EXTENDED_BYTES = 0x1000;

/** A decoded config space. */
export class PciConfig {
  readonly header: PciHeader;
  /** The standard ones first, in the order of their lists. */
  readonly capabilities: readonly Capability[];
  /** Faults of the capability lists. Empty for a sound device. */
  readonly problems: readonly string[];

  /** Programs call {@link decodeConfig}. */
  constructor(header: PciHeader, capabilities: readonly Capability[], problems: readonly string[]) {
    this.header = header;
    this.capabilities = capabilities;
    this.problems = problems;
  }

  /** The first capability of a kind, if the device has one. */
  capability<Kind extends CapabilityKind>(kind: Kind): CapabilityFields[Kind] | undefined {
    const found = this.capabilities.find((each) => each.kind === kind);
    return found?.fields as CapabilityFields[Kind] | undefined;
  }

  /** The text of `lspci -vv -nn`, without vendor and device names. */
  describe(options: DescribeOptions = {}): string {
    return describeConfig(this, options);
  }

  /** For `JSON.stringify`: addresses as strings in hexadecimal (`"0xfe040000"`), bytes as hexadecimal digits. */
  toJSON(): unknown {
    const { header, capabilities, problems } = this;
    return plain({ header, capabilities, problems });
  }
}

/**
 * Decodes a config space: header and all capabilities. Reads nothing outside `config.bytes`. Wrong contents are data:
 * what cannot be decoded is `unknown` with its bytes, and `problems` has the faults of the lists.
 * @throws VfioRangeError `ERR_VFIO_CONFIG_OFFSET` if there are fewer than 64 bytes; `ERR_VFIO_ARGUMENT`.
 */
export function decodeConfig(config: SizedConfig): PciConfig {
  checkConfigReader(config);
  const header = decodeHeader(config);
  const standardEnd = Math.min(config.bytes, STANDARD_BYTES);
  const standard = walkStandardCapabilities(config, standardEnd);
  const capabilities = decodeAll(config, standard.found, standardEnd, undefined);
  const portType = portTypeOf(capabilities);
  const extended = walkExtendedCapabilities(config);
  const extendedEnd = Math.min(config.bytes, EXTENDED_BYTES);
  return new PciConfig(
    header,
    [...capabilities, ...decodeAll(config, extended.found, extendedEnd, portType)],
    [standard.problem, extended.problem].filter((problem) => problem !== undefined),
  );
}

function decodeAll(
  config: SizedConfig,
  places: readonly CapabilityPlace[],
  end: number,
  portType: PortType | undefined,
): Capability[] {
  return places.map((place) => {
    // An unknown capability's length is unknown: at most up to the next one.
    const later = places.map(({ offset }) => offset).filter((offset) => offset > place.offset);
    return decodeCapability(config, place, { end, next: Math.min(end, ...later) }, portType);
  });
}

function portTypeOf(capabilities: readonly Capability[]): PortType | undefined {
  for (const { kind, fields } of capabilities) if (kind === "pci-express") return fields.type;
  return undefined;
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  if (types.isUint8Array(value)) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}
