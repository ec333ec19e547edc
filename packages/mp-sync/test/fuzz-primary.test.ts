import { setImmediate as nextTurn } from "node:timers/promises";
import { SeqpacketSocket, type Fd } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { encodeTerms } from "../src/wire/lease-messages.js";
import { expectNoFdLeft, someFile } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { WatchedKernel } from "./support/kernel.js";
import { TestPrimary } from "./support/primary.js";
import { fuzz, type Random } from "./support/random.js";
import { converse, int, plain, type Packet } from "./support/wire.js";

const PACKETS = 1_000_000;
const CLIENTS_AT_ONCE = 64;

useFolder();
expectNoFdLeft();

const MOST_REQUESTS = [0x200, 0x10000, 0x10004, 0x10004, 0x10004];
const ALL_REQUESTS = [0x100, 0x200, 0x10000, 0x10001, 0x10002, 0x10003, 0x10004, 0, -1, 0x300, 0x10005];
const NUMBERS = [0, 1, 7, 8, 9999, -1, 2 ** 31 - 1, -(2 ** 31)].map(int);

/** What a client sends: mostly two or three packets that belong together, one of them often spoilt. */
function conversation(random: Random, memory: Fd): Packet[] {
  const request = random.pick(random.oneIn(6) ? ALL_REQUESTS : MOST_REQUESTS);
  const packets = [plain(int(request)), ...sequel(random, request, memory)];
  const spoilt = random.below(packets.length * 3);
  return packets.map((packet, index) => (index === spoilt ? spoil(random, packet, memory) : packet));
}

function sequel(random: Random, request: number, memory: Fd): Packet[] {
  if (request !== 0x10004) return [plain(random.pick(NUMBERS))];
  const terms = encodeTerms({
    iova: BigInt(random.below(64)) * 4096n,
    bytes: (1 + random.below(2)) * 4096,
    offset: 0,
    access: random.oneIn(2) ? "read-write" : "read-only",
  });
  const release = random.oneIn(8) ? random.pick(NUMBERS) : int(0);
  return [{ bytes: terms, fds: [memory.fd] }, plain(release)];
}

function spoil(random: Random, { bytes, fds }: Packet, memory: Fd): Packet {
  if (random.oneIn(4)) return { bytes, fds: Array.from({ length: random.below(4) }, () => memory.fd) };
  return { bytes: random.mutate(bytes), fds };
}

/** A client that says its piece without waiting, and then stays; the caller closes it. */
function client(path: string, packets: readonly Packet[]): SeqpacketSocket {
  const socket = SeqpacketSocket.connect(path);
  for (const { bytes, fds } of packets) socket.send(bytes, fds);
  return socket;
}

describe("our primary under fire", () => {
  it(
    `given ${PACKETS} random and mutated packets, all taken by the real server from real sockets: no crash, no hang, no fd, no mapping left`,
    { timeout: 0 },
    async () => {
      using watched = new WatchedKernel();
      using memory = someFile();
      using primary = await TestPrimary.start({
        memories: [{ file: memory, description: Uint8Array.of(1) }],
        devices: [{ bdf: "0000:00:10.0", group: 7, open: true }],
        maxClients: CLIENTS_AT_ONCE * 2,
        timeoutMs: 60_000,
        onEvent: () => told++,
      });
      let told = 0;
      let clients = 0;
      const progress = (): number => watched.packets + told;
      await fuzz(progress, async (random) => {
        while (watched.packets < PACKETS) {
          const sockets = Array.from({ length: CLIENTS_AT_ONCE }, () =>
            client(primary.path, conversation(random, memory)),
          );
          clients += sockets.length;
          // Half of them leave before the server has looked, the others after it has answered.
          for (const socket of sockets.splice(0, random.below(sockets.length))) socket.close();
          await nextTurn();
          for (const socket of sockets) socket.close();
        }
        const { wire, files } = await converse(primary.path, [int(0x200), int(7)]);
        for (const file of files) file.close();
        expect(wire).toHaveLength(2);
        const held = (): number => primary.server.clients + primary.server.leases.length;
        await expect.poll(held, { timeout: 60_000 }).toBe(0);
        expect(told).toBeGreaterThan(clients);
        expect([...watched.mapped]).toEqual([]);
      });
    },
  );
});
