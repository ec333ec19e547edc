import { errnoOf, VfioRangeError } from "@vfio/ioctl-native";
import {
  argumentError,
  describePciDevice,
  exists,
  isVfioDriver,
  PCI_DEVICES,
  readLinkName,
} from "@vfio/ioctl-native/internal";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The kernel answers EINVAL for a malformed token, as for much else.
 * @throws VfioRangeError `ERR_VFIO_VF_TOKEN` for a text that is no UUID; `ERR_VFIO_ARGUMENT` for anything else.
 */
export function checkVfToken(token: unknown): void {
  if (token === undefined) return;
  if (typeof token !== "string") throw argumentError("vfToken", "a UUID as a string", token);
  if (UUID.test(token)) return;
  throw new VfioRangeError("ERR_VFIO_VF_TOKEN", `the VF token ${JSON.stringify(token)} is not a UUID`, {
    hint: "A VF token looks like 2ab74924-c335-45f4-9b16-8569e5b08258; omit it for a device that needs none",
  });
}

/** The token's part in a refusal (vfio_pci_validate_vf_token), or `undefined`. Reads sysfs. */
export function vfTokenHint(errno: number, bdf: string, token: string | undefined): string | undefined {
  if (errno === errnoOf("EINVAL") && token !== undefined) return needlessHint(bdf);
  if (errno !== errnoOf("EACCES")) return undefined;
  if (token !== undefined)
    return "This is not the VF token that the owner of the physical function set: pass that token as vfToken";
  if (!describePciDevice(bdf).isVirtualFunction) return undefined;
  return "A VF token is required: the owner of its physical function set one; pass it as vfToken";
}

/** The kernel refuses a token wherever nobody could have set one. */
function needlessHint(bdf: string): string | undefined {
  const folder = `${PCI_DEVICES}/${bdf}`;
  if (describePciDevice(bdf).isVirtualFunction) {
    const owner = readLinkName(`${folder}/physfn/driver`);
    if (isVfioDriver(owner)) return undefined;
    return `Leave vfToken out: the physical function of ${bdf} is bound to ${owner ?? "no driver"}, and only vfio-pci sets tokens`;
  }
  if (exists(`${folder}/sriov_totalvfs`)) return undefined;
  return `Leave vfToken out: ${bdf} is no virtual function, and has none`;
}
