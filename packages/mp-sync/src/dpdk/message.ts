import { Struct } from "@vfio/ioctl-native";

export const VFIO_ACTION = "eal_vfio_mp_sync";

/** Asks for the fd of a group, whose number is the request's value. The same in all versions. */
export const REQUEST_GROUP = 0x200;

/** `mp_msg_internal.type`. */
export const MpType = { request: 1, reply: 2, ignore: 3 } as const;

/** `sizeof(struct vfio_mp_param)`: request, result, and group number or IOMMU type. Any other length gets no reply. */
export const PARAM_BYTES = 12;

const NAME_BYTES = 64;

/** `struct mp_msg_internal` with a `struct vfio_mp_param` in it, as it lies in a datagram. */
export interface RteMpLayout {
  readonly struct: Struct<RteMpFields>;
  /** Offset of the action's name, which has 64 bytes. */
  readonly nameAt: number;
}

type RteMpFields = Readonly<
  Record<
    "type" | "len_param" | "num_fds" | "req" | "result" | "value",
    readonly [offset: number, type: "s32"]
  >
>;

/** Up to 25.07. */
export const LAYOUT_332 = layout(332, 4);
/** From 25.11 on: padding follows `type`, and a piece of the sender's own fd table the parameters. */
export const LAYOUT_340 = layout(340, 8);

function layout(bytes: number, nameAt: number): RteMpLayout {
  const lengths = nameAt + NAME_BYTES;
  const param = lengths + 8;
  const fields: RteMpFields = {
    type: [0, "s32"],
    len_param: [lengths, "s32"],
    num_fds: [lengths + 4, "s32"],
    req: [param, "s32"],
    result: [param + 4, "s32"],
    value: [param + 8, "s32"],
  };
  return { struct: new Struct("mp_msg_internal", bytes, fields), nameAt };
}

/** @param value the group's number, if the request is for a group. */
export function encodeRequest({ struct, nameAt }: RteMpLayout, req: number, value: number): Uint8Array {
  const bytes = struct.encode({ type: MpType.request, len_param: PARAM_BYTES, req, value });
  new TextEncoder().encodeInto(VFIO_ACTION, bytes.subarray(nameAt, nameAt + NAME_BYTES));
  return bytes;
}

export function nameOfMessage({ nameAt }: RteMpLayout, bytes: Uint8Array): string {
  const name = bytes.subarray(nameAt, nameAt + NAME_BYTES);
  const end = name.indexOf(0);
  return new TextDecoder().decode(end < 0 ? name : name.subarray(0, end));
}
