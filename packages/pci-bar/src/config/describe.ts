import { hex } from "./bits.js";
import { describeDecoded, type Capability } from "./capability.js";
import { capabilityName } from "./capability-names.js";
import { describeHeader } from "./describe-header.js";
import type { SubsystemIds } from "./capabilities/subsystem-ids.js";
import type { DescribeContext } from "./capabilities/pci-express/pci-express.js";
import type { PciHeader } from "./header.js";

/** Facts for the text that the config space does not have. */
export interface DescribeOptions {
  /** The device's address, `0000:00:10.0`: the text begins with it. */
  readonly name?: string | undefined;
  /** The regions' lengths in bytes: 0 to 5 the BARs, 6 the ROM. 0 or absent: not shown. */
  readonly regionBytes?: readonly number[];
}

interface ConfigContents {
  readonly header: PciHeader;
  readonly capabilities: readonly Capability[];
  readonly problems: readonly string[];
}

const FIRST_FUNCTION = /(^|:)00\.0$/;
const BYTES_IN_LINE = 16;

/** The text of `lspci -vv -nn` about a config space, without vendor and device names. */
export function describeConfig(config: ConfigContents, { name, regionBytes = [] }: DescribeOptions): string {
  const context = {
    hasMemoryBar: hasMemoryBar(config.header),
    isFirst: name === undefined || FIRST_FUNCTION.test(name),
  };
  const lines = [
    ...describeHeader(config.header, { name, regionBytes, subsystem: subsystemOf(config) }),
    ...config.capabilities.flatMap((capability) => describeCapability(capability, context)),
    ...config.problems.map((problem) => `\t!!! Capabilities: ${problem}`),
  ];
  return lines.join("\n") + "\n";
}

function subsystemOf({ header, capabilities }: ConfigContents): SubsystemIds | undefined {
  if (header.kind === "device") return header.subsystem;
  return capabilities.find((each) => each.kind === "subsystem-ids")?.fields;
}

function hasMemoryBar(header: PciHeader): boolean {
  return header.kind !== "unknown" && header.bars.some(({ kind }) => kind !== "io" && kind !== "invalid");
}

function describeCapability(capability: Capability, context: DescribeContext): string[] {
  const { offset, extended, version } = capability;
  const place = extended ? `[${hex(offset, 3)} v${version}]` : `[${hex(offset, 2)}]`;
  const [title, ...rest] = describeFields(capability, context);
  return [`\tCapabilities: ${place} ${title}`, ...rest];
}

function describeFields(capability: Capability, context: DescribeContext): string[] {
  if (capability.kind !== "unknown") return describeDecoded(capability.kind, capability.fields, context);
  const { id, extended, fields } = capability;
  const problem = fields.problem === undefined ? "" : ` (${fields.problem})`;
  return [`${capabilityName(id, extended)} <?>${problem}`, ...hexLines(fields.bytes)];
}

function hexLines(bytes: Uint8Array): string[] {
  const lines = Math.ceil(bytes.length / BYTES_IN_LINE);
  return Array.from({ length: lines }, (_, line) => {
    const part = bytes.subarray(line * BYTES_IN_LINE, (line + 1) * BYTES_IN_LINE);
    return `\t\t${hex(line * BYTES_IN_LINE, 2)}: ${[...part].map((byte) => hex(byte, 2)).join(" ")}`;
  });
}
