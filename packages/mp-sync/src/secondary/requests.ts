import { VfioError, type Fd } from "@vfio/ioctl-native";
import { RequestConnection, type Inquiry } from "./request-connection.js";
import { protocolError, REQ_CONTAINER, REQ_GROUP, type Answer } from "../wire/protocol.js";
import { readAnswer } from "./reply.js";
import { nameOf, type ExpectedFd, type FdVerifier } from "./verify.js";

/** The reply: OK and the fd in one packet. */
export function requestContainer(inquiry: Inquiry, verify: FdVerifier): Promise<Fd> {
  const expected: ExpectedFd = { kind: "container" };
  return RequestConnection.hold(inquiry, nameOf(expected), async (connection) => {
    connection.send(REQ_CONTAINER);
    const packet = await connection.receive();
    const answer = readAnswer(packet, 1);
    if (answer !== "OK") throw containerRefused(answer, inquiry.path);
    return keepVerified(connection, packet.files, expected, verify);
  });
}

/** The reply: OK alone, then OK with the fd. */
export function requestGroup(inquiry: Inquiry, number: number, verify: FdVerifier): Promise<Fd> {
  const expected: ExpectedFd = { kind: "group", number };
  return RequestConnection.hold(inquiry, nameOf(expected), async (connection) => {
    connection.send(REQ_GROUP, number);
    const first = readAnswer(await connection.receive(), 0);
    if (first !== "OK") throw groupRefused(first, number, inquiry.path);
    const packet = await connection.receive();
    const second = readAnswer(packet, 1);
    if (second !== "OK") throw groupRefused(second, number, inquiry.path);
    return keepVerified(connection, packet.files, expected, verify);
  });
}

function keepVerified(
  connection: RequestConnection,
  files: readonly Fd[],
  expected: ExpectedFd,
  verify: FdVerifier,
): Fd {
  const file = onlyFile(files);
  verify(file, expected);
  connection.keep(file);
  return file;
}

export function onlyFile(files: readonly Fd[]): Fd {
  const [file] = files;
  if (file === undefined) throw protocolError("an OK without its fd");
  return file;
}

function containerRefused(answer: Answer, path: string): VfioError {
  return new VfioError(
    "ERR_VFIO_CONTAINER_REFUSED",
    `the primary at ${path} does not share its container (${answer})`,
    {
      hint: "The primary does not allow this user, or has closed its container; its log or events say which",
    },
  );
}

function groupRefused(answer: Answer, number: number, path: string): VfioError {
  if (answer !== "NO_FD") {
    return new VfioError(
      "ERR_VFIO_GROUP_REFUSED",
      `the primary at ${path} knows no group ${number}, or failed to share it (${answer})`,
      { hint: "ls /sys/kernel/iommu_groups lists the groups" },
    );
  }
  return new VfioError(
    "ERR_VFIO_GROUP_NO_FD",
    `group ${number} exists, but the primary at ${path} has no fd for it: not bound to VFIO, or not opened by it`,
    { hint: `Bind the group's devices to vfio-pci, and let the primary open group ${number} and share it` },
  );
}
