import { LAB_DEVICES, type LabDevice } from "./devices.js";
import { lineReader } from "../guest/line-reader.js";

/** The possible requests, and the property that a device needs for each. */
const NEEDED = {
  plug: "hotplug",
  unplug: "hotplug",
  "nonfatal-error": "reportsErrors",
  "fatal-error": "reportsErrors",
} as const satisfies Record<string, keyof LabDevice>;

/** Errors that are non-fatal and fatal in PCI Express by default, in the monitor's words. */
const ERRORS = { "nonfatal-error": "POISON_TLP", "fatal-error": "MALF_TLP" };

/** The guest's request: `unplug hotplugEdu`. */
export interface HotplugRequest {
  readonly verb: keyof typeof NEEDED;
  readonly name: string;
  readonly device: LabDevice;
}

export function parseHotplugLine(line: string): HotplugRequest | undefined {
  const [, verb = "", name = ""] = /^([\w-]+) (\w+)$/.exec(line) ?? [];
  const devices: Readonly<Record<string, LabDevice>> = LAB_DEVICES;
  const device = Object.hasOwn(devices, name) ? devices[name] : undefined;
  if (!isVerb(verb) || device?.[NEEDED[verb]] !== true) return undefined;
  return { verb, name, device };
}

function isVerb(word: string): word is HotplugRequest["verb"] {
  return Object.hasOwn(NEEDED, word);
}

/**
 * The QMP command for a request: `device_add` takes the command line's arguments in its own form. A command of the
 * human monitor injects errors.
 */
export function qmpCommand({ verb, name, device }: HotplugRequest): object {
  if (verb === "unplug") return { execute: "device_del", arguments: { id: name } };
  if (verb !== "plug") {
    const line = `pcie_aer_inject_error ${name} ${ERRORS[verb]}`;
    return { execute: "human-monitor-command", arguments: { "command-line": line } };
  }
  const [driver, ...options] = device.qemu.split(",");
  const properties = Object.fromEntries(options.map((option) => option.split("=") as [string, string]));
  return { execute: "device_add", arguments: { driver, ...properties } };
}

interface QmpMessage {
  readonly QMP?: unknown;
  readonly id?: unknown;
  readonly return?: unknown;
  readonly event?: string;
  readonly data?: { readonly device?: string };
  readonly error?: { readonly desc: string };
}

/** Marks the answers to our commands among QEMU's other messages. */
const ID = "guest";

/**
 * Unplugs devices of the running machine, plugs them in again and makes them report errors, as the guest asks: passes
 * its requests to QEMU's monitor, and QEMU's answers to the guest.
 */
export class Hotplug {
  readonly fromGuest = lineReader((line) => this.#onRequest(line));
  /** Input from QEMU's monitor (QMP: a JSON object in each line). */
  readonly fromMonitor = lineReader((line) => this.#onAnswer(line));
  /** Devices that were asked to go, until the guest's kernel has switched their slot off. */
  readonly #leaving = new Set<string>();
  /** The last request, if it made a device leave. */
  #unplugged: string | undefined;
  /** A request to plug in a device that has not gone yet. */
  #waiting: HotplugRequest | undefined;
  readonly #send: (port: "hotplug" | "monitor", text: string) => void;

  constructor(send: (port: "hotplug" | "monitor", text: string) => void) {
    this.#send = send;
  }

  #onRequest(line: string): void {
    const request = parseHotplugLine(line);
    if (request === undefined) return this.#send("hotplug", `error cannot do "${line}"\n`);
    const { verb, name } = request;
    this.#unplugged = verb === "unplug" && !this.#leaving.has(name) ? name : undefined;
    if (verb === "unplug") this.#leaving.add(name);
    if (verb === "plug" && this.#leaving.has(name)) this.#waiting = request;
    else this.#ask(request);
  }

  #ask(request: HotplugRequest): void {
    this.#send("monitor", `${JSON.stringify({ ...qmpCommand(request), id: ID })}\n`);
  }

  #onAnswer(line: string): void {
    const message = JSON.parse(line) as QmpMessage;
    if (message.QMP !== undefined) this.#send("monitor", '{"execute":"qmp_capabilities"}\n');
    if (message.event === "DEVICE_DELETED") this.#onGone(message.data?.device);
    if (message.id !== ID) return;
    const complaint = complaintOf(message);
    if (complaint !== undefined && this.#unplugged !== undefined) this.#leaving.delete(this.#unplugged);
    this.#send("hotplug", complaint === undefined ? "ok\n" : `error ${complaint}\n`);
  }

  #onGone(name: string | undefined): void {
    if (name === undefined) return;
    this.#leaving.delete(name);
    if (this.#waiting?.name !== name) return;
    this.#ask(this.#waiting);
    this.#waiting = undefined;
  }
}

/** Anything that a human monitor command prints is its answer, also an error. */
function complaintOf({ error, return: answer }: QmpMessage): string | undefined {
  if (typeof answer !== "string" || answer.startsWith("OK ")) return error?.desc;
  return answer.trim().split(/\r?\n/, 1)[0];
}
