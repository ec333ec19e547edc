import type { Fd } from "@vfio/ioctl-native";
import { afterEach, beforeEach } from "vitest";
import {
  connectToPrimary,
  FdServer,
  type FdServerOptions,
  type LeaseOptions,
  type PrimaryPeer,
  type ServerEvent,
} from "../../src/index.js";
import { someFile } from "./fds.js";
import { freshPath } from "./folder.js";

/** So that tests can use small addresses. */
export const ANYWHERE: LeaseOptions = { window: { start: 0n, end: 2n ** 64n - 1n } };

/**
 * A primary on a path of its own, with files that stand in for a container and for groups 0 and 7; group 8
 * exists unshared.
 */
export class TestPrimary implements Disposable {
  readonly container: Fd = someFile();
  readonly group0 = numbered(someFile(), 0);
  readonly group7 = numbered(someFile(), 7);
  readonly events: ServerEvent[] = [];
  #server: FdServer | undefined;
  #onEvent: (() => void) | undefined;

  static async start(options: Partial<FdServerOptions> = {}): Promise<TestPrimary> {
    const primary = new TestPrimary();
    primary.#server = await FdServer.listen({
      container: primary.container,
      groups: [primary.group0, primary.group7],
      path: freshPath(),
      groupExists: (group) => group === 8,
      leases: ANYWHERE,
      onEvent: (event) => {
        primary.events.push(event);
        primary.#onEvent?.();
      },
      ...options,
    });
    return primary;
  }

  get server(): FdServer {
    return this.#server!;
  }

  get path(): string {
    return this.server.path;
  }

  /** The first so many events, awaited, in short form. */
  async told(count: number): Promise<string[]> {
    while (this.events.length < count) await new Promise<void>((resolve) => (this.#onEvent = resolve));
    return this.events.map(shortly);
  }

  [Symbol.dispose](): void {
    this.#server?.close();
    for (const file of [this.container, this.group0, this.group7]) file.close();
  }
}

function shortly(event: ServerEvent): string {
  if (event.type === "accept-failed") return "accept failed";
  if (event.type === "lease-ended") return `lease ended: ${event.reason}`;
  if (event.type === "dropped") return `dropped: ${event.reason}`;
  const { request } = event;
  return `${request.kind}${request.kind === "group" ? ` ${request.group}` : ""}: ${event.answer}`;
}

/** A file under a group's number. */
export function numbered(file: Fd, number: number): Fd & { readonly number: number } {
  return Object.assign(file, { number });
}

/** The primary of the running test: see {@link usePrimary}. */
export let primary: TestPrimary;
/** The secondary of the running test: see {@link usePeer}. */
export let peer: PrimaryPeer;

/** Files stand in for container and groups, so nothing that came is looked at. */
export const verify = (): void => undefined;

/** Joins a primary without looking at what came. */
export const connect = (path: string): Promise<PrimaryPeer> => connectToPrimary({ path, verify });

/** For each test of the file or `describe`: {@link primary}, closed after it. */
export function usePrimary(): void {
  beforeEach(() => given());
  afterEach(() => leave());
}

/** For each test of the file or `describe`: {@link primary}, and {@link peer}, which has joined it. */
export function usePeer(): void {
  beforeEach(() => joined());
  afterEach(() => leave());
}

/** Another primary in this test, with options. */
export async function given(options: Partial<FdServerOptions> = {}): Promise<void> {
  leave();
  primary = await TestPrimary.start(options);
}

/** Another primary in this test, with options, and a secondary that has joined it. */
export async function joined(options: Partial<FdServerOptions> = {}): Promise<void> {
  await given(options);
  peer = await connect(primary.path);
}

/** Ends both, if they are there. */
function leave(): void {
  (peer as PrimaryPeer | undefined)?.close();
  (primary as TestPrimary | undefined)?.[Symbol.dispose]();
}
