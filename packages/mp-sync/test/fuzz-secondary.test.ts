import { Fd, isVfioError, SeqpacketListener, watchFd, type SeqpacketSocket } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { DmaLease } from "../src/secondary/dma-lease.js";
import { encodeDevice } from "../src/wire/device-entry.js";
import { encodeVerdict } from "../src/wire/lease-messages.js";
import type { Inquiry } from "../src/secondary/request-connection.js";
import {
  requestDevices,
  requestHello,
  requestIommuType,
  requestMemory,
} from "../src/secondary/extension-requests.js";
import { requestContainer, requestGroup } from "../src/secondary/requests.js";
import { expectNoFdLeft, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { WatchedKernel } from "./support/kernel.js";
import { fuzz, type Random } from "./support/random.js";
import { int, plain, type Packet } from "./support/wire.js";

const REPLIES = 1_000_000;
const AT_ONCE = 32;
const MOST_PACKETS = 24;

useFolder();
expectNoFdLeft();

/** One request of ours, and what a primary rightly replies to it. */
interface Topic {
  ask(inquiry: Inquiry, memory: Fd): Promise<unknown>;
  reply(random: Random, fd: number): Packet[];
}

const ok = plain(int(0));
const okWith = (fd: number): Packet => ({ bytes: int(0), fds: [fd] });
const REFUSALS = [int(1), int(255), encodeVerdict({ errno: -17 }), encodeVerdict({ errno: -22 })];
const verify = (): void => undefined;

function list(random: Random, one: () => Packet): Packet[] {
  const count = random.below(MOST_PACKETS);
  return [ok, plain(int(count)), ...Array.from({ length: count }, one)];
}

const TOPICS: readonly Topic[] = [
  { ask: (inquiry) => requestContainer(inquiry, verify), reply: (_random, fd) => [okWith(fd)] },
  { ask: (inquiry) => requestGroup(inquiry, 7, verify), reply: (_random, fd) => [ok, okWith(fd)] },
  { ask: requestHello, reply: () => [ok, plain(int(1)), plain(int(15))] },
  { ask: requestIommuType, reply: () => [ok, plain(int(3))] },
  {
    ask: (inquiry, file) => DmaLease.request(inquiry, { file, iova: 0x1000n, bytes: 4096 }),
    reply: () => [ok, plain(encodeVerdict({ errno: 0 }))],
  },
  {
    ask: requestMemory,
    reply: (random, fd) => list(random, () => ({ bytes: random.bytes(random.below(9)), fds: [fd] })),
  },
  ...Array.from({ length: 8 }, () => ({
    ask: requestDevices,
    reply: (random: Random) =>
      list(random, () => plain(encodeDevice({ bdf: "0000:00:10.0", group: random.below(9), open: true }))),
  })),
];

/** A reply with one packet spoilt, lost, doubled, a refusal, or with other fds; now and then as it should be. */
function spoil(random: Random, packets: readonly Packet[], fd: number): Packet[] {
  const at = random.below(packets.length + 1);
  return packets.flatMap((packet, index) => {
    if (index !== at) return [packet];
    switch (random.below(5)) {
      case 0:
        return [];
      case 1:
        return [plain(random.pick(REFUSALS))];
      case 2:
        return [packet, packet];
      case 3:
        return [{ bytes: packet.bytes, fds: Array.from({ length: random.below(11) }, () => fd) }];
      default:
        return [{ bytes: random.mutate(packet.bytes), fds: packet.fds }];
    }
  });
}

/** A primary that says to each of its clients what it is told to, whatever they ask, and leaves. */
class Loudmouth implements Disposable {
  readonly replies: Packet[][] = [];
  readonly #listener: SeqpacketListener;
  readonly #watcher;

  constructor(path: string) {
    this.#listener = SeqpacketListener.listen(path, AT_ONCE);
    this.#watcher = watchFd(this.#listener, () => this.#speak());
  }

  #speak(): void {
    for (;;) {
      using client = this.#listener.accept();
      if (client === undefined) return;
      for (const { bytes, fds } of this.replies.shift() ?? []) if (!tell(client, bytes, fds)) break;
    }
  }

  [Symbol.dispose](): void {
    this.#watcher.stop();
    this.#listener.close();
  }
}

/** False if the client has left. */
function tell(client: SeqpacketSocket, bytes: Uint8Array, fds: readonly number[]): boolean {
  try {
    client.send(bytes, fds);
    return true;
  } catch {
    return false;
  }
}

/** Everything that an answer holds open. */
function closeAll(answer: unknown): void {
  if (Array.isArray(answer)) for (const one of answer) closeAll(one);
  if (answer instanceof Fd || answer instanceof DmaLease) answer.close();
  else if (typeof answer === "object" && answer !== null && "file" in answer) closeAll(answer.file);
}

describe("our secondary under fire", () => {
  it(
    `given ${REPLIES} random and mutated replies, all taken by the real client from real sockets: an answer or a typed error, no hang, no fd left`,
    { timeout: 0 },
    async () => {
      using watched = new WatchedKernel();
      using memory = someFile();
      const path = freshPath();
      using primary = new Loudmouth(path);
      const outcomes = new Map<string, number>();
      const count = (outcome: string): unknown => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);

      const converse = async ({ ask }: Topic): Promise<void> => {
        try {
          closeAll(await ask({ path, timeoutMs: 60_000 }, memory));
          count("answer");
        } catch (error) {
          if (!isVfioError(error)) throw error;
          count(error.code);
        }
      };

      const progress = (): number => watched.packets;
      await fuzz(progress, async (random) => {
        while (watched.packets < REPLIES) {
          const topics = Array.from({ length: AT_ONCE }, () => random.pick(TOPICS));
          for (const topic of topics)
            primary.replies.push(spoil(random, topic.reply(random, memory.fd), memory.fd));
          await Promise.all(topics.map(converse));
        }
        expect([...outcomes.keys()].sort()).toEqual([
          "ERR_VFIO_CONTAINER_REFUSED",
          "ERR_VFIO_GROUP_NO_FD",
          "ERR_VFIO_GROUP_REFUSED",
          "ERR_VFIO_LEASE_CONFLICT",
          "ERR_VFIO_LEASE_REFUSED",
          "ERR_VFIO_PRIMARY_GONE",
          "ERR_VFIO_PRIMARY_LACKS_REQUEST",
          "ERR_VFIO_PROTOCOL",
          "answer",
        ]);
      });
    },
  );
});
