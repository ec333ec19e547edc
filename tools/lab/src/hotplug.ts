import { LAB_DEVICES, type LabDevice } from "./devices.js";
import { lineReader } from "./line-reader.js";

/** What the guest asks for: `unplug hotplugEdu`. */
export interface HotplugRequest {
  readonly verb: "plug" | "unplug";
  readonly name: string;
  readonly device: LabDevice;
}

/** Reads a line of the hotplug port; undefined for what nobody can do. */
export function parseHotplugLine(line: string): HotplugRequest | undefined {
  const [, verb, name = ""] = /^(plug|unplug) (\w+)$/.exec(line) ?? [];
  const devices: Readonly<Record<string, LabDevice>> = LAB_DEVICES;
  const device = Object.hasOwn(devices, name) ? devices[name] : undefined;
  if ((verb !== "plug" && verb !== "unplug") || device?.hotplug !== true) return undefined;
  return { verb, name, device };
}

/** The QMP command for a request: `device_add` takes what is on the command line, in its own form. */
export function qmpCommand({ verb, name, device }: HotplugRequest): object {
  if (verb === "unplug") return { execute: "device_del", arguments: { id: name } };
  const [driver, ...options] = device.qemu.split(",");
  const properties = Object.fromEntries(options.map((option) => option.split("=") as [string, string]));
  return { execute: "device_add", arguments: { driver, ...properties } };
}

/** Marks our commands' answers among QEMU's other messages. */
const ID = "guest";

/**
 * Pulls devices out of the running machine and puts them back, when the guest asks for it: hands the guest's requests
 * to QEMU's monitor, and QEMU's answers to the guest.
 */
export class Hotplug {
  /** Takes what comes on the guest's port. */
  readonly fromGuest = lineReader((line) => this.#onRequest(line));
  /** Takes what QEMU's monitor says (QMP: a JSON object in each line). */
  readonly fromMonitor = lineReader((line) => this.#onAnswer(line));
  readonly #send: (port: "hotplug" | "monitor", text: string) => void;

  constructor(send: (port: "hotplug" | "monitor", text: string) => void) {
    this.#send = send;
  }

  #onRequest(line: string): void {
    const request = parseHotplugLine(line);
    if (request === undefined) return this.#send("hotplug", `error cannot do "${line}"\n`);
    this.#send("monitor", `${JSON.stringify({ ...qmpCommand(request), id: ID })}\n`);
  }

  #onAnswer(line: string): void {
    const message = JSON.parse(line) as { QMP?: unknown; id?: unknown; error?: { desc: string } };
    if (message.QMP !== undefined) this.#send("monitor", '{"execute":"qmp_capabilities"}\n');
    if (message.id !== ID) return;
    this.#send("hotplug", message.error === undefined ? "ok\n" : `error ${message.error.desc}\n`);
  }
}
