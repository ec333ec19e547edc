import type { VfioError } from "@vfio/ioctl-native";
import type { IncomingPacket } from "../wire/exchange-types.js";
import { ERR, NO_FD, OK, protocolError } from "../wire/protocol.js";
import { MpType, nameOfMessage, PARAM_BYTES, VFIO_ACTION, type RteMpLayout } from "./message.js";

export interface Question {
  /** For messages: "group 5". */
  readonly what: string;
  readonly req: number;
  /** The group's number, if any: the reply repeats it. */
  readonly group?: number;
  readonly bringsFd: boolean;
  readonly refused: (result: "NO_FD" | "ERR") => VfioError;
}

/**
 * The value in a reply, or "not ready" if the primary wants to be asked again later. The fds are the receiver's to keep
 * or close.
 * @throws VfioError `ERR_VFIO_PROTOCOL` for a wrong reply; the question's own error for a refusal.
 */
export function readReply(
  layout: RteMpLayout,
  question: Question,
  packet: IncomingPacket,
): number | "not ready" {
  const { struct } = layout;
  if (packet.truncated) {
    throw protocolError(
      "the reply was too long or had more fds than could be received",
      "If this process has no free file descriptor left, raise its limit (ulimit -n)",
    );
  }
  if (packet.bytes.length !== struct.bytes)
    throw protocolError(`a reply of ${packet.bytes.length} bytes where ${struct.bytes} belong`);
  const message = struct.decode(packet.bytes);
  expectValue("name", nameOfMessage(layout, packet.bytes), VFIO_ACTION);
  if (message.type === MpType.ignore) return "not ready";
  expectValue("type", message.type, MpType.reply);
  expectValue("length of parameters", message.len_param, PARAM_BYTES);
  expectValue("request", message.req, question.req);
  checkResult(message.result, question);
  expectValue("number of fds", message.num_fds, question.bringsFd ? 1 : 0);
  if (packet.fds !== message.num_fds)
    throw protocolError(`${packet.fds} fd(s) came with a reply that announces ${message.num_fds}`);
  if (question.group !== undefined) expectValue("group", message.value, question.group);
  return message.value;
}

function checkResult(result: number, { refused }: Question): void {
  if (result === OK) return;
  if (result === NO_FD) throw refused("NO_FD");
  if (result === ERR) throw refused("ERR");
  throw protocolError(`the result ${result} is none of OK (0), NO_FD (1) and ERR (255)`);
}

function expectValue(name: string, value: string | number, wanted: string | number): void {
  if (value === wanted) return;
  throw protocolError(`a reply whose ${name} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`);
}
