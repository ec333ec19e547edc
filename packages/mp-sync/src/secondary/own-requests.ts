import { VfioError, type Fd } from "@vfio/ioctl-native";
import { decodeCapabilities, type Capabilities } from "../wire/capabilities.js";
import { Conversation, type Inquiry } from "./conversation.js";
import { decodeDevice, MAX_DEVICE_BYTES, type DeviceEntry } from "../wire/device-entry.js";
import {
  MAX_DESCRIPTION_BYTES,
  MAX_DEVICES,
  MAX_MEMORIES,
  PROTOCOL_VERSION,
  REQ_DEVICES,
  REQ_HELLO,
  REQ_IOMMU_TYPE,
  REQ_MEMORY,
} from "../wire/protocol.js";
import { readAnswer, readBytes, readCount, readInt } from "./reply.js";
import { onlyFile } from "./requests.js";

/** One memory that the primary shares, with an fd of this process's own. */
export interface SharedMemory {
  /** The memory's file, to be mapped. Closed with its `PrimaryPeer`. */
  readonly file: Fd;
  /** What the primary wrote about it; the protocol does not look inside. */
  readonly description: Uint8Array;
}

/** What a primary says of itself. */
export interface PrimaryHello {
  /** The version of its requests from 0x10000 on, from 1. */
  readonly version: number;
  /** What it can do beyond giving its container and groups. */
  readonly can: Capabilities;
}

/** Says hello: OK, the primary's version, its capabilities. */
export function requestHello(inquiry: Inquiry): Promise<PrimaryHello> {
  return Conversation.hold(inquiry, "a hello", async (conversation) => {
    conversation.send(REQ_HELLO, PROTOCOL_VERSION);
    await takeOk(conversation, inquiry, "REQ_HELLO", REQ_HELLO);
    const version = readInt(await conversation.receive(), "its version", 1);
    const can = decodeCapabilities(readInt(await conversation.receive(), "its capabilities", 0));
    return { version, can };
  });
}

/** Asks for the container's IOMMU type: OK, then the number. */
export function requestIommuType(inquiry: Inquiry): Promise<number | undefined> {
  return Conversation.hold(inquiry, "its IOMMU type", async (conversation) => {
    conversation.send(REQ_IOMMU_TYPE);
    await takeOk(conversation, inquiry, "REQ_IOMMU_TYPE", REQ_IOMMU_TYPE);
    const type = readInt(await conversation.receive(), "its IOMMU type", 0);
    return type === 0 ? undefined : type;
  });
}

/** Asks for all shared memory: OK, how many, then each with its description. */
export function requestMemory(inquiry: Inquiry): Promise<SharedMemory[]> {
  return Conversation.hold(inquiry, "its shared memory", async (conversation) => {
    conversation.send(REQ_MEMORY);
    await takeOk(conversation, inquiry, "REQ_MEMORY", REQ_MEMORY);
    const count = readCount(await conversation.receive(), "shared memories", MAX_MEMORIES);
    const memories: SharedMemory[] = [];
    while (memories.length < count) memories.push(await nextMemory(conversation));
    conversation.keep(...memories.map(({ file }) => file));
    return memories;
  });
}

/** Asks for the primary's devices: OK, how many, then each. */
export function requestDevices(inquiry: Inquiry): Promise<DeviceEntry[]> {
  return Conversation.hold(inquiry, "its devices", async (conversation) => {
    conversation.send(REQ_DEVICES);
    await takeOk(conversation, inquiry, "REQ_DEVICES", REQ_DEVICES);
    const count = readCount(await conversation.receive(), "devices", MAX_DEVICES);
    const devices: DeviceEntry[] = [];
    while (devices.length < count) {
      devices.push(decodeDevice(readBytes(await conversation.receive(MAX_DEVICE_BYTES), 0, "a device")));
    }
    return devices;
  });
}

/**
 * Takes the OK to a request that a 2014 primary does not know.
 * @throws VfioError `ERR_VFIO_PRIMARY_LACKS_REQUEST` if the primary answers ERR.
 */
export async function takeOk(
  conversation: Conversation,
  { path }: Inquiry,
  name: string,
  code: number,
): Promise<void> {
  const answer = readAnswer(await conversation.receive(), 0);
  if (answer !== "OK") throw lacksRequest(answer, `${name} (0x${code.toString(16)})`, path);
}

/** The error of a primary that does not know a request, or does not serve it. */
function lacksRequest(answer: string, request: string, path: string): VfioError {
  return new VfioError(
    "ERR_VFIO_PRIMARY_LACKS_REQUEST",
    `the primary at ${path} answers ${answer} to ${request}: it does not serve this request, or failed`,
    {
      hint: "A primary of the 2014 protocol only knows those for container and groups; FdServer of @vfio/mp-sync knows all but what its options switch off. Or it does not allow this user, or it failed: its events say why",
    },
  );
}

async function nextMemory(conversation: Conversation): Promise<SharedMemory> {
  const packet = await conversation.receive(MAX_DESCRIPTION_BYTES);
  const description = readBytes(packet, 1, "a memory's description");
  return { file: onlyFile(packet.files), description };
}
