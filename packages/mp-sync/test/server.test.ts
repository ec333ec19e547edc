import { statSync } from "node:fs";
import { kernel, SeqpacketSocket, useKernel } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { connectToPrimary, FdServer, sameUserOrRoot, type FdServerOptions } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { expectNoFdLeft, identityOf, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { memoriesBeyondQueue } from "./support/memories.js";
import { numbered, TestPrimary } from "./support/primary.js";
import { converse, int, isEof, next, spell } from "./support/wire.js";

useFolder();
expectNoFdLeft();

const verify = (): void => undefined;

async function fetchContainer(primary: TestPrimary): Promise<void> {
  using peer = await connectToPrimary({ path: primary.path, verify });
  expect(identityOf(peer.container)).toBe(identityOf(primary.container));
}

describe("a server among hostile clients", () => {
  it("given clients that are silent, half done, garbled, oversized or deaf, the honest one is served meanwhile", async () => {
    using file = someFile();
    using primary = await TestPrimary.start({ memories: memoriesBeyondQueue(file), timeoutMs: 300 });
    const hostile = {
      silent: [],
      half: [int(0x200)],
      garbled: [Uint8Array.of(1, 2)],
      oversized: [new Uint8Array(100_000)],
      deaf: [int(0x10001)],
    };
    const sockets = Object.values(hostile).map((packets) => {
      const socket = SeqpacketSocket.connect(primary.path);
      for (const packet of packets) socket.send(packet);
      return socket;
    });
    await fetchContainer(primary);
    const dropped = (await primary.told(6)).filter((event) => event.startsWith("dropped"));
    expect(dropped.sort()).toEqual([
      "dropped: malformed",
      "dropped: malformed",
      "dropped: timeout",
      "dropped: timeout",
      "dropped: timeout",
    ]);
    const details = primary.events.flatMap((event) => ("detail" in event ? [event.detail] : []));
    expect(details).toContain("sent no request within 300 ms");
    expect(details).toContain("sent no group number within 300 ms");
    expect(details).toContain("did not read its reply within 300 ms");
    expect(primary.server.clients).toBe(0);
    for (const socket of sockets) socket.close();
  });

  it("given as many silent clients as it serves at once, the next ones wait until their time is up", async () => {
    using primary = await TestPrimary.start({ maxClients: 2, timeoutMs: 200 });
    const silent = [1, 2, 3].map(() => SeqpacketSocket.connect(primary.path));
    await fetchContainer(primary);
    expect(primary.server.clients).toBeLessThanOrEqual(2);
    expect((await primary.told(4)).sort()).toEqual([
      "container: OK",
      "dropped: timeout",
      "dropped: timeout",
      "dropped: timeout",
    ]);
    for (const socket of silent) socket.close();
  });

  it("given 50 honest clients at once, each gets its fds", async () => {
    using primary = await TestPrimary.start({ maxClients: 8 });
    const peers = await Promise.all(
      Array.from({ length: 50 }, () => connectToPrimary({ path: primary.path, verify })),
    );
    const groups = await Promise.all(peers.map((peer, index) => peer.group(index % 2 === 0 ? 0 : 7)));
    groups.forEach((group, index) => {
      expect(identityOf(group)).toBe(identityOf(index % 2 === 0 ? primary.group0 : primary.group7));
    });
    for (const peer of peers) peer.close();
    expect(await primary.told(100)).toHaveLength(100);
  });

  it("given a client whose reply has to wait for room, the rest of it follows when it reads", async () => {
    using file = someFile();
    const memories = memoriesBeyondQueue(file);
    using primary = await TestPrimary.start({ memories });
    const { wire, files } = await converse(primary.path, [int(0x10001)]);
    expect(wire).toHaveLength(2 + memories.length);
    expect(wire.slice(2).map((packet) => Number.parseInt(packet.slice(0, 2), 16))).toEqual(
      memories.map((_, index) => index % 256),
    );
    for (const received of files) received.close();
    expect(await primary.told(1)).toEqual(["memory: OK"]);
  });

  it("given no free fd to accept with, it says so and takes the client a little later", async () => {
    using primary = await TestPrimary.start();
    const real = kernel();
    let refusals = 0;
    const fake = useKernel({
      ...real,
      socketAccept: (fd) => (refusals++ === 0 ? -24 : real.socketAccept(fd)),
    });
    try {
      await fetchContainer(primary);
    } finally {
      fake[Symbol.dispose]();
    }
    expect(await primary.told(2)).toEqual(["accept failed", "container: OK"]);
    expect(primary.events[0]).toMatchObject({ error: { code: "EMFILE" } });
  });
});

describe("who may ask", () => {
  it("by default the same user and root, and nobody else", () => {
    expect(sameUserOrRoot({ pid: 1, uid: 1000, gid: 1000 }, 1000)).toBe(true);
    expect(sameUserOrRoot({ pid: 1, uid: 0, gid: 0 }, 1000)).toBe(true);
    expect(sameUserOrRoot({ pid: 1, uid: 1001, gid: 1000 }, 1000)).toBe(false);
    expect(sameUserOrRoot({ pid: -1, uid: -1, gid: -1 }, 1000)).toBe(false);
  });

  it("a policy is given the kernel's word about the client, and its refusal is ERR", async () => {
    const asked: number[] = [];
    using primary = await TestPrimary.start({
      allow: ({ pid }) => {
        asked.push(pid);
        return false;
      },
    });
    const error = await errorOf(() => connectToPrimary({ path: primary.path, verify }));
    expect(error.code).toBe("ERR_VFIO_CONTAINER_REFUSED");
    expect(error.message).toContain(`the primary at ${primary.path} does not give its container (ERR)`);
    expect(error.hint).toContain("does not allow this user");
    expect(asked).toEqual([process.pid]);
    expect(await primary.told(1)).toEqual(["dropped: refused"]);
  });

  it("given a policy that throws, the client is refused", async () => {
    using primary = await TestPrimary.start({
      allow: () => {
        throw new Error("no policy today");
      },
    });
    await errorOf(() => connectToPrimary({ path: primary.path, verify }));
    expect(await primary.told(1)).toEqual(["dropped: refused"]);
    expect(primary.events[0]).toMatchObject({ detail: "the access policy threw" });
  });

  it("the socket file is 0600 whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      using primary = await TestPrimary.start();
      expect(statSync(primary.path).mode & 0o777).toBe(0o600);
    } finally {
      process.umask(umask);
    }
  });
});

describe("groups that come and go", () => {
  it("given a group added and removed while it runs, the answers follow", async () => {
    using primary = await TestPrimary.start();
    using group = numbered(someFile(), 8);
    using peer = await connectToPrimary({ path: primary.path, verify });
    expect((await errorOf(() => peer.group(8))).code).toBe("ERR_VFIO_GROUP_NO_FD");
    primary.server.addGroup(group);
    const received = await peer.group(8);
    expect(identityOf(received)).toBe(identityOf(group));
    received.close();
    expect(primary.server.removeGroup(8)).toBe(true);
    expect(primary.server.removeGroup(8)).toBe(false);
    expect((await errorOf(() => peer.group(8))).code).toBe("ERR_VFIO_GROUP_NO_FD");
  });

  it("given a number twice, it refuses", async () => {
    using primary = await TestPrimary.start();
    const error = await errorOf(() => primary.server.addGroup(primary.group7));
    expect(error.code).toBe("ERR_VFIO_GROUP_SHARED_TWICE");
    expect(error.message).toContain("group 7 is shared already");
  });
});

describe("options that cannot be", () => {
  const container = { fd: 0 };
  it.each<[string, Partial<FdServerOptions>, string, string]>([
    ["timeoutMs 0", { timeoutMs: 0 }, "ERR_VFIO_TIMEOUT_RANGE", "a timeout of 0 ms"],
    ["timeoutMs NaN", { timeoutMs: NaN }, "ERR_VFIO_TIMEOUT_RANGE", "a timeout of NaN ms"],
    ["timeoutMs 2^31", { timeoutMs: 2 ** 31 }, "ERR_VFIO_TIMEOUT_RANGE", "below 2^31"],
    ["maxClients 0", { maxClients: 0 }, "ERR_VFIO_MAX_CLIENTS", "maxClients is 0"],
    ["container fd -1", { container: { fd: -1 } }, "ERR_VFIO_FD", "the container has -1"],
    ["group -1", { groups: [{ fd: 0, number: -1 }] }, "ERR_VFIO_GROUP_NUMBER", "-1 is not the number"],
    ["group fd NaN", { groups: [{ fd: NaN, number: 4 }] }, "ERR_VFIO_FD", "group 4 has NaN"],
    ["prefix a/b", { prefix: "a/b", path: undefined }, "ERR_VFIO_SOCKET_PREFIX", "'a/b'"],
    [
      "a description of 65537 bytes",
      { memories: [{ file: container, description: new Uint8Array(65_537) }] },
      "ERR_VFIO_MEMORIES",
      "description has 65537 bytes",
    ],
    [
      "1025 memories",
      { memories: Array.from({ length: 1025 }, () => ({ file: container, description: new Uint8Array() })) },
      "ERR_VFIO_MEMORIES",
      "1024 memories are shared already",
    ],
  ])("%s", async (_name, options, code, text) => {
    const error = await errorOf(() =>
      FdServer.listen({ container, groups: [], path: freshPath(), ...options }),
    );
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  it("a closed container", async () => {
    const closed = someFile();
    closed.close();
    const error = await errorOf(() => FdServer.listen({ container: closed, groups: [], path: freshPath() }));
    expect(error.code).toBe("ERR_VFIO_CLOSED");
  });

  it("fd 0 and group 0 are ordinary values", async () => {
    const server = await FdServer.listen({
      container: { fd: 0 },
      groups: [{ fd: 0, number: 0 }],
      path: freshPath(),
    });
    const { wire, files } = await converse(server.path, [int(0x200), int(0)]);
    expect(wire).toHaveLength(2);
    expect(identityOf(files[0]!)).toBe(identityOf({ fd: 0 }));
    files[0]!.close();
    server.close();
  });
});

describe("closing", () => {
  it("drops who is being served, and closing twice does nothing", async () => {
    using primary = await TestPrimary.start();
    using socket = SeqpacketSocket.connect(primary.path);
    await fetchContainer(primary);
    expect(primary.server.clients).toBe(1);
    primary.server.close();
    primary.server.close();
    expect(primary.server.closed).toBe(true);
    expect(isEof(await next(socket))).toBe(true);
    expect(await primary.told(2)).toEqual(["container: OK", "dropped: closed"]);
  });

  it("when disposed with await, it lets who is being served finish", async () => {
    using primary = await TestPrimary.start();
    using socket = SeqpacketSocket.connect(primary.path);
    await fetchContainer(primary);
    const disposed = primary.server[Symbol.asyncDispose]();
    expect((await errorOf(() => connectToPrimary({ path: primary.path, verify }))).code).toBe("ENOENT");
    socket.send(int(0x300));
    expect(spell(await next(socket))).toBe(`${Buffer.from(int(255)).toString("hex")}+0fd`);
    await disposed;
    await primary.server[Symbol.asyncDispose]();
    expect(await primary.told(2)).toEqual(["container: OK", "unknown: ERR"]);
  });

  it("used after its close, it says that it is closed", async () => {
    using primary = await TestPrimary.start();
    primary.server.close();
    for (const use of [() => primary.server.addGroup(primary.group7), () => primary.server.removeGroup(7)]) {
      const error = await errorOf(use);
      expect(error.code).toBe("ERR_VFIO_CLOSED");
      expect(error.message).toContain(primary.path);
    }
  });
});
