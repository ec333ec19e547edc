import { VfioError } from "@vfio/ioctl-native";
import { LAYOUT_332, LAYOUT_340, type RteMpLayout } from "./message.js";
import { isRelease, type DpdkVersion } from "./version.js";

/** The protocol of the primaries of some DPDK versions. */
export interface RteMpDialect {
  /** Any datagram of another size ends the primary's IPC thread for good. */
  readonly layout: RteMpLayout;
  readonly container: number;
  readonly iommuType: number;
}

/** 0x100 is a request for a new, empty container here, and not used. */
const SINCE_18_11: RteMpDialect = { layout: LAYOUT_332, container: 0x400, iommuType: 0x800 };
const ONLY_22_11_11: RteMpDialect = { layout: LAYOUT_332, container: 0x100, iommuType: 0x400 };
const SINCE_25_11: RteMpDialect = { layout: LAYOUT_340, container: 0x100, iommuType: 0x400 };

/**
 * The last known release of each line after 22.11 with stable releases: the next one may have other codes. Of the other
 * lines after 22.11 only the first release is known; the lines before it have ended.
 */
const LAST_KNOWN_MINOR = new Map([
  [2311, 7],
  [2411, 6],
]);

/** `undefined` for an unknown version: then nothing may be sent. */
export function dialectOf(version: DpdkVersion): RteMpDialect | undefined {
  if (!isRelease(version)) return undefined;
  if (version.year === 0) return SINCE_18_11;
  const line = version.year * 100 + version.month;
  if (line === 2211) return dialectOf2211(version.minor);
  if (line > 2211 && version.minor > (LAST_KNOWN_MINOR.get(line) ?? 0)) return undefined;
  if (line >= 1908 && line <= 2507) return SINCE_18_11;
  if (line >= 2511 && line <= 2607) return SINCE_25_11;
  return undefined;
}

/** 22.11.11 took over a change of 25.11, without the layout. */
function dialectOf2211(minor: number): RteMpDialect | undefined {
  if (minor === 11) return ONLY_22_11_11;
  return minor < 11 ? SINCE_18_11 : undefined;
}

/** @throws VfioError `ERR_VFIO_DPDK_VERSION`. */
export function requireDialect(version: DpdkVersion, directory: string): RteMpDialect {
  const dialect = dialectOf(version);
  if (dialect !== undefined) return dialect;
  throw new VfioError(
    "ERR_VFIO_DPDK_VERSION",
    `the primary in ${directory} is DPDK ${version.text}, whose messages this library does not know`,
    {
      hint: "Nothing was sent, since a message of the wrong size would end its IPC thread. Use a newer @vfio/mp-sync, or one of the releases 18.11 to 26.07 of DPDK",
    },
  );
}
