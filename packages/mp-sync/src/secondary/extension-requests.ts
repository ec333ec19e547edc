import { VfioError, type Fd } from "@vfio/ioctl-native";
import { decodeCapabilities, type Capabilities } from "../wire/capabilities.js";
import { RequestConnection, type Inquiry } from "./request-connection.js";
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

/** Memory that the primary shares, with an fd of this process's own. */
export interface SharedMemory {
  /**
   * The file to map. It belongs to the `PrimaryPeer`, and to the object it is passed on to, such as that of
   * `HugepageMemory.attach` of `@vfio/dma`: the first close counts, and existing mappings stay.
   */
  readonly file: Fd;
  /** By the primary; the protocol does not look inside. */
  readonly description: Uint8Array;
}

/** A primary's answer to hello. */
export interface PrimaryHello {
  /** Of its requests from 0x10000 on; from 1. */
  readonly version: number;
  readonly can: Capabilities;
}

/** The reply: OK, the primary's version, its capabilities. */
export function requestHello(inquiry: Inquiry): Promise<PrimaryHello> {
  return RequestConnection.hold(inquiry, "a hello", async (connection) => {
    connection.send(REQ_HELLO, PROTOCOL_VERSION);
    await takeOk(connection, inquiry, "REQ_HELLO", REQ_HELLO);
    const version = readInt(await connection.receive(), "its version", 1);
    const can = decodeCapabilities(readInt(await connection.receive(), "its capabilities", 0));
    return { version, can };
  });
}

/** The reply: OK, then the number. */
export function requestIommuType(inquiry: Inquiry): Promise<number | undefined> {
  return RequestConnection.hold(inquiry, "its IOMMU type", async (connection) => {
    connection.send(REQ_IOMMU_TYPE);
    await takeOk(connection, inquiry, "REQ_IOMMU_TYPE", REQ_IOMMU_TYPE);
    const type = readInt(await connection.receive(), "its IOMMU type", 0);
    return type === 0 ? undefined : type;
  });
}

/** The reply: OK, a count, then each memory with its description. */
export function requestMemory(inquiry: Inquiry): Promise<SharedMemory[]> {
  return RequestConnection.hold(inquiry, "its shared memory", async (connection) => {
    connection.send(REQ_MEMORY);
    await takeOk(connection, inquiry, "REQ_MEMORY", REQ_MEMORY);
    const count = readCount(await connection.receive(), "shared memories", MAX_MEMORIES);
    const memories: SharedMemory[] = [];
    while (memories.length < count) memories.push(await nextMemory(connection));
    connection.keep(...memories.map(({ file }) => file));
    return memories;
  });
}

/** The reply: OK, a count, then each device. */
export function requestDevices(inquiry: Inquiry): Promise<DeviceEntry[]> {
  return RequestConnection.hold(inquiry, "its devices", async (connection) => {
    connection.send(REQ_DEVICES);
    await takeOk(connection, inquiry, "REQ_DEVICES", REQ_DEVICES);
    const count = readCount(await connection.receive(), "devices", MAX_DEVICES);
    const devices: DeviceEntry[] = [];
    while (devices.length < count) {
      devices.push(decodeDevice(readBytes(await connection.receive(MAX_DEVICE_BYTES), 0, "a device")));
    }
    return devices;
  });
}

/**
 * Takes the OK to a request that a 2014 primary does not know.
 * @throws VfioError `ERR_VFIO_PRIMARY_LACKS_REQUEST` if the primary answers ERR.
 */
export async function takeOk(
  connection: RequestConnection,
  { path }: Inquiry,
  name: string,
  code: number,
): Promise<void> {
  const answer = readAnswer(await connection.receive(), 0);
  if (answer !== "OK") throw lacksRequest(answer, `${name} (0x${code.toString(16)})`, path);
}

function lacksRequest(answer: string, request: string, path: string): VfioError {
  return new VfioError(
    "ERR_VFIO_PRIMARY_LACKS_REQUEST",
    `the primary at ${path} answers ${answer} to ${request}: it does not serve this request, or failed`,
    {
      hint: "A 2014 primary serves only requests for container and groups; FdServer of @vfio/mp-sync serves all that its options do not switch off. Or the primary does not allow this user, or failed: its events say why",
    },
  );
}

async function nextMemory(connection: RequestConnection): Promise<SharedMemory> {
  const packet = await connection.receive(MAX_DESCRIPTION_BYTES);
  const description = readBytes(packet, 1, "a memory's description");
  return { file: onlyFile(packet.files), description };
}
