import { VfioError, type Fd } from "@vfio/ioctl-native";
import { Conversation, type Inquiry } from "./conversation.js";
import {
  MAX_DESCRIPTION_BYTES,
  protocolError,
  REQ_CONTAINER,
  REQ_GROUP,
  REQ_MEMORY,
  type Answer,
} from "./protocol.js";
import { readAnswer, readMemoryCount, readMemoryDescription } from "./reply.js";
import { nameOf, type ExpectedFd, type FdVerifier } from "./verify.js";

/** One memory that the primary shares, with an fd of this process's own. */
export interface SharedMemory {
  /** The memory's file, to be mapped. Closed with its `PrimaryPeer`. */
  readonly file: Fd;
  /** What the primary wrote about it; the protocol does not look inside. */
  readonly description: Uint8Array;
}

/** Asks for the container: OK and its fd come in one packet. */
export function requestContainer(inquiry: Inquiry, verify: FdVerifier): Promise<Fd> {
  const expected: ExpectedFd = { kind: "container" };
  return Conversation.hold(inquiry, nameOf(expected), async (conversation) => {
    conversation.send(REQ_CONTAINER);
    const packet = await conversation.receive();
    const answer = readAnswer(packet, 1);
    if (answer !== "OK") throw containerRefused(answer, inquiry.path);
    return keepVerified(conversation, packet.files, expected, verify);
  });
}

/** Asks for a group: OK comes alone, then OK with the fd. */
export function requestGroup(inquiry: Inquiry, number: number, verify: FdVerifier): Promise<Fd> {
  const expected: ExpectedFd = { kind: "group", number };
  return Conversation.hold(inquiry, nameOf(expected), async (conversation) => {
    conversation.send(REQ_GROUP, number);
    const first = readAnswer(await conversation.receive(), 0);
    if (first !== "OK") throw groupRefused(first, number, inquiry.path);
    const packet = await conversation.receive();
    const second = readAnswer(packet, 1);
    if (second !== "OK") throw groupRefused(second, number, inquiry.path);
    return keepVerified(conversation, packet.files, expected, verify);
  });
}

/** Asks for all shared memory: OK, how many, then each with its description. */
export function requestMemory(inquiry: Inquiry): Promise<SharedMemory[]> {
  return Conversation.hold(inquiry, "its shared memory", async (conversation) => {
    conversation.send(REQ_MEMORY);
    const answer = readAnswer(await conversation.receive(), 0);
    if (answer !== "OK") throw memoryUnsupported(answer, inquiry.path);
    const count = readMemoryCount(await conversation.receive());
    const memories: SharedMemory[] = [];
    while (memories.length < count) memories.push(await nextMemory(conversation));
    conversation.keep(...memories.map(({ file }) => file));
    return memories;
  });
}

async function nextMemory(conversation: Conversation): Promise<SharedMemory> {
  const packet = await conversation.receive(MAX_DESCRIPTION_BYTES);
  const description = readMemoryDescription(packet);
  return { file: onlyFile(packet.files), description };
}

function keepVerified(
  conversation: Conversation,
  files: readonly Fd[],
  expected: ExpectedFd,
  verify: FdVerifier,
): Fd {
  const file = onlyFile(files);
  verify(file, expected);
  conversation.keep(file);
  return file;
}

function onlyFile(files: readonly Fd[]): Fd {
  const [file] = files;
  if (file === undefined) throw protocolError("an OK without its fd");
  return file;
}

function containerRefused(answer: Answer, path: string): VfioError {
  return new VfioError(
    "ERR_VFIO_CONTAINER_REFUSED",
    `the primary at ${path} does not give its container (${answer})`,
    { hint: "It does not allow this user, or has closed its container; its own log or events say which" },
  );
}

function groupRefused(answer: Answer, number: number, path: string): VfioError {
  if (answer !== "NO_FD") {
    return new VfioError(
      "ERR_VFIO_GROUP_REFUSED",
      `the primary at ${path} knows no group ${number}, or failed to give it (${answer})`,
      { hint: "ls /sys/kernel/iommu_groups shows the groups there are" },
    );
  }
  return new VfioError(
    "ERR_VFIO_GROUP_NO_FD",
    `group ${number} exists, but the primary at ${path} has no fd for it: not bound to VFIO, or not opened by it`,
    { hint: `Bind the group's devices to vfio-pci, and let the primary open group ${number} and share it` },
  );
}

function memoryUnsupported(answer: Answer, path: string): VfioError {
  return new VfioError(
    "ERR_VFIO_PRIMARY_LACKS_MEMORY",
    `the primary at ${path} answers ${answer} to REQ_MEMORY (0x10001): it only knows the requests for container and groups`,
    {
      hint: "Its memory must reach this process in another way, or the primary must run FdServer of @vfio/mp-sync",
    },
  );
}
