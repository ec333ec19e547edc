import {
  Fd,
  isVfioError,
  VfioError,
  type DatagramSocket,
  type FileStatus,
  type ReceivedDatagram,
} from "@vfio/ioctl-native";
import { closings, Deadline, readableOrOver, runAll, undo } from "@vfio/ioctl-native/internal";
import type { RteMpDialect } from "./dialect.js";
import { encodeRequest } from "./message.js";
import { noPrimaryError } from "./primary-config.js";
import { PrivateSocket } from "./private-socket.js";
import { readReply, type Question } from "./question.js";
import { connectHint } from "../socket/system-hints.js";

/** Between two tries when the primary's queue is full (10 datagrams). */
const FULL_QUEUE_MS = 10;
/** Between two tries when the primary is not ready. */
const NOT_READY_MS = 100;
/** More than any reply has, so that a second fd is counted, not cut off. */
const MAX_FDS = 253;

export interface DpdkInquiry {
  readonly directory: string;
  readonly owner: FileStatus;
  readonly socketPath: string;
  readonly dialect: RteMpDialect;
  readonly timeoutMs: number;
  readonly signals: readonly (AbortSignal | undefined)[];
  /** Throws unless the primary is still the same: a new one might be of another version. */
  readonly checkAlive: () => void;
  readonly verify: (file: Fd) => void;
}

export interface DpdkAnswer {
  /** The group's number, or the IOMMU type. */
  readonly value: number;
  readonly file: Fd | undefined;
}

/**
 * Asks a DPDK primary, again while it is not ready, over a new socket each time: so no late reply can pass for another.
 * @throws VfioError `ERR_VFIO_TIMEOUT`, `ERR_VFIO_PROTOCOL`, `ERR_VFIO_DPDK_NO_PRIMARY`, the question's refusal;
 * VfioSystemError EACCES; what `checkAlive` throws; a signal's reason.
 */
export async function askDpdk(inquiry: DpdkInquiry, question: Question): Promise<DpdkAnswer> {
  const progress = { notReady: 0 };
  const atTimeout = (): VfioError => timeoutError(inquiry, question, progress.notReady);
  using deadline = new Deadline(inquiry.timeoutMs, atTimeout, ...inquiry.signals);
  deadline.check();
  for (;;) {
    const answer = await askOnce(inquiry, question, deadline);
    if (answer !== "not ready") return answer;
    progress.notReady += 1;
    await deadline.pause(NOT_READY_MS);
  }
}

async function askOnce(
  inquiry: DpdkInquiry,
  question: Question,
  deadline: Deadline,
): Promise<DpdkAnswer | "not ready"> {
  const reply = PrivateSocket.bind(inquiry.directory, inquiry.owner);
  let answer: DpdkAnswer | "not ready";
  try {
    await send(reply.socket, inquiry, question, deadline);
    answer = await receiveAnswer(reply.socket, inquiry, question, deadline);
  } catch (error) {
    undo(error, [() => reply[Symbol.dispose]()]);
  }
  try {
    reply[Symbol.dispose]();
    return answer;
  } catch (error) {
    undo(error, [() => answer !== "not ready" && answer.file?.close()]);
  }
}

async function receiveAnswer(
  socket: DatagramSocket,
  { dialect, verify }: DpdkInquiry,
  question: Question,
  deadline: Deadline,
): Promise<DpdkAnswer | "not ready"> {
  const datagram = await receive(socket, dialect.layout.struct.bytes, deadline);
  const files = datagram.fds.map((fd) => new Fd(fd, `${question.what} of the DPDK primary`));
  try {
    const value = readReply(dialect.layout, question, { ...datagram, fds: files.length });
    if (value === "not ready") {
      runAll(closings(files));
      return value;
    }
    const [file] = files;
    if (file !== undefined) verify(file);
    return { value, file };
  } catch (error) {
    undo(error, closings(files));
  }
}

async function send(
  socket: DatagramSocket,
  { socketPath, dialect, checkAlive }: DpdkInquiry,
  { req, group = 0 }: Question,
  deadline: Deadline,
): Promise<void> {
  const message = encodeRequest(dialect.layout, req, group);
  for (;;) {
    checkAlive();
    try {
      // A connected socket takes datagrams from the primary alone: the kernel refuses all others.
      socket.connect(socketPath, connectHint);
      return socket.send(socketPath, message);
    } catch (error) {
      if (!isVfioError(error) || error.code !== "EAGAIN") throw describeSendError(error, socketPath);
      await deadline.pause(FULL_QUEUE_MS);
    }
  }
}

async function receive(socket: DatagramSocket, bytes: number, deadline: Deadline): Promise<ReceivedDatagram> {
  for (;;) {
    const datagram = socket.receive(bytes, MAX_FDS);
    if (datagram !== undefined) return datagram;
    deadline.check();
    await readableOrOver(socket, deadline);
  }
}

function describeSendError(error: unknown, socketPath: string): unknown {
  if (!isVfioError(error) || (error.code !== "ECONNREFUSED" && error.code !== "ENOENT")) return error;
  const state = error.code === "ENOENT" ? "there is no socket" : "nobody listens any more";
  return noPrimaryError(
    `the DPDK primary cannot be reached: ${state} at ${socketPath}`,
    "The primary is starting or ending, or a message of the wrong size has ended its IPC thread; start it again",
    error,
  );
}

function timeoutError(
  { socketPath, timeoutMs }: DpdkInquiry,
  { what }: Question,
  timesNotReady: number,
): VfioError {
  const state = timesNotReady > 0 ? `; it said ${timesNotReady} times that it is not ready` : "";
  const message = `no answer from the DPDK primary at ${socketPath} within ${timeoutMs} ms when asked for ${what}${state}`;
  return new VfioError("ERR_VFIO_TIMEOUT", message, {
    hint: "The primary is stopped or still starting, its IPC thread has ended, or it runs without VFIO (then its log says 'Cannot find action'): check its state, or allow more time (timeoutMs)",
  });
}
