import { statSync } from "node:fs";
import { errnoOf, kernel, SeqpacketSocket, useKernel } from "@vfio/ioctl-native";
import { describe, expect, it, vi } from "vitest";
import { FdServer, sameUserOrRoot } from "../src/index.js";
import { expectError } from "./support/errors.js";
import { expectNoFdLeft, identityOf, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { memoriesBeyondQueue } from "./support/memories.js";
import { connect, given, joined, numbered, peer, primary, usePrimary } from "./support/primary.js";
import { converse, hex, int, isEof, next, spell } from "./support/wire.js";

useFolder();
expectNoFdLeft();

usePrimary();

async function fetchContainer(): Promise<void> {
  using honest = await connect(primary.path);
  expect(identityOf(honest.container)).toBe(identityOf(primary.container));
}

describe("a server among hostile clients", () => {
  it("given clients that are silent, half done, garbled, oversized or deaf, the honest one is served meanwhile", async () => {
    using file = someFile();
    await given({ memories: memoriesBeyondQueue(file), timeoutMs: 300 });
    const [half, garbled, oversized, deaf] = [
      int(0x200),
      Uint8Array.of(1, 2),
      new Uint8Array(100_000),
      int(0x10001),
    ];
    const sockets = [undefined, half, garbled, oversized, deaf].map((packet) => {
      const socket = SeqpacketSocket.connect(primary.path);
      if (packet !== undefined) socket.send(packet);
      return socket;
    });
    await fetchContainer();
    const events = await primary.told(6);
    expect(events.filter((event) => event === "dropped: malformed")).toHaveLength(2);
    expect(events.filter((event) => event === "dropped: timeout")).toHaveLength(3);
    const details = primary.events.flatMap((event) => ("detail" in event ? [event.detail] : []));
    for (const fault of ["sent no request", "sent no group number", "did not read its reply"])
      expect(details).toContain(`${fault} within 300 ms`);
    expect(primary.server.clients).toBe(0);
    for (const socket of sockets) socket.close();
  });

  it("given as many silent clients as it serves at once, the next ones wait until their time is up", async () => {
    await given({ maxClients: 2, timeoutMs: 200 });
    const silent = [1, 2, 3].map(() => SeqpacketSocket.connect(primary.path));
    await fetchContainer();
    expect(primary.server.clients).toBeLessThanOrEqual(2);
    const timeout = "dropped: timeout";
    expect((await primary.told(4)).sort()).toEqual(["container: OK", timeout, timeout, timeout]);
    for (const socket of silent) socket.close();
  });

  it("given 50 honest clients at once, each gets its fds", async () => {
    await given({ maxClients: 8 });
    const serve = async (_: unknown, index: number): Promise<void> => {
      using honest = await connect(primary.path);
      const [number, file] = index % 2 === 0 ? [0, primary.group0] : [7, primary.group7];
      expect(identityOf(await honest.group(number))).toBe(identityOf(file));
    };
    await Promise.all(Array.from({ length: 50 }, serve));
    expect(await primary.told(100)).toHaveLength(100);
  });

  it("given a client whose reply has to wait for room, the rest of it follows when it reads", async () => {
    using file = someFile();
    const memories = memoriesBeyondQueue(file);
    await given({ memories });
    const { wire, files } = await converse(primary.path, [int(0x10001)]);
    expect(wire).toHaveLength(2 + memories.length);
    expect(wire.slice(2).map((packet) => Number.parseInt(packet.slice(0, 2), 16))).toEqual(
      memories.map((_, index) => index % 256),
    );
    for (const received of files) received.close();
    expect(await primary.told(1)).toEqual(["memory: OK"]);
  });

  it("given no free fd to accept with, it says so and takes the client a little later", async () => {
    const real = kernel();
    let refusals = 0;
    using _full = useKernel({
      ...real,
      socketAccept: (fd) => (refusals++ === 0 ? errnoOf("EMFILE") : real.socketAccept(fd)),
    });
    await fetchContainer();
    expect(await primary.told(2)).toEqual(["accept failed", "container: OK"]);
    expect(primary.events[0]).toMatchObject({ error: { code: "EMFILE" } });
  });

  it.each([true, false])(
    "given no free fd to accept with, the wait keeps the program alive as the server does: %s",
    async (referenced) => {
      using setTimeouts = vi.spyOn(globalThis, "setTimeout");
      using _full = useKernel({ ...kernel(), socketAccept: () => errnoOf("EMFILE") });
      if (!referenced) primary.server.unref();
      using _client = SeqpacketSocket.connect(primary.path);
      await primary.told(1);

      const waits = setTimeouts.mock.results.map(({ value }) => value as NodeJS.Timeout);
      expect(waits.at(-1)?.hasRef()).toBe(referenced);
    },
  );
});

describe("who may ask", () => {
  it("by default the same user and root, and nobody else", () => {
    const mayAsk = (uid: number): boolean => sameUserOrRoot({ pid: 1, uid, gid: 1000 }, 1000);
    expect([1000, 0, 1001, -1].map(mayAsk)).toEqual([true, true, false, false]);
  });

  it("a policy is given the kernel's word about the client, and its refusal is ERR", async () => {
    const asked: number[] = [];
    await given({ allow: ({ pid }) => asked.push(pid) < 0 });
    await expectError(
      () => connect(primary.path),
      "ERR_VFIO_CONTAINER_REFUSED",
      `the primary at ${primary.path} does not share its container (ERR)`,
      "does not allow this user",
    );
    expect(asked).toEqual([process.pid]);
    expect(await primary.told(1)).toEqual(["dropped: refused"]);
  });

  it("given a policy that throws, the client is refused", async () => {
    await given({
      allow: () => {
        throw new Error("no policy today");
      },
    });
    await expectError(() => connect(primary.path), "ERR_VFIO_CONTAINER_REFUSED");
    expect(await primary.told(1)).toEqual(["dropped: refused"]);
    expect(primary.events[0]).toMatchObject({ detail: "the access policy threw" });
  });

  it("the socket file is 0600 whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      expect(statSync(primary.path).mode & 0o777).toBe(0o600);
    } finally {
      process.umask(umask);
    }
  });
});

describe("groups that come and go", () => {
  it("given a group added and removed while it runs, the answers follow", async () => {
    await joined();
    using group = numbered(someFile(), 8);
    await expectError(() => peer.group(8), "ERR_VFIO_GROUP_NO_FD");
    primary.server.addGroup(group);
    const received = await peer.group(8);
    expect(identityOf(received)).toBe(identityOf(group));
    received.close();
    expect(primary.server.removeGroup(8)).toBe(true);
    expect(primary.server.removeGroup(8)).toBe(false);
    await expectError(() => peer.group(8), "ERR_VFIO_GROUP_NO_FD");
  });

  it("given a group that is not shared, it asks sysfs at that moment whether it exists", async () => {
    await joined({ groupExists: undefined });
    const folders = new Set<string>();
    using _sysfs = useKernel({
      ...kernel(),
      stat: (path) => (folders.has(path) ? { mode: 0, uid: 0, gid: 0, inode: 1 } : -2),
    });
    await expectError(() => peer.group(12), "ERR_VFIO_GROUP_REFUSED");
    folders.add("/sys/kernel/iommu_groups/12");
    await expectError(() => peer.group(12), "ERR_VFIO_GROUP_NO_FD");
  });

  it("given a number twice, it refuses", async () => {
    const addAgain = (): void => primary.server.addGroup(primary.group7);
    await expectError(addAgain, "ERR_VFIO_GROUP_SHARED_TWICE", "group 7 is shared already");
  });
});

describe("what is shared", () => {
  it("cannot be a closed container", async () => {
    const closed = someFile();
    closed.close();
    const options = { container: closed, groups: [], path: freshPath() };
    await expectError(() => FdServer.listen(options), "ERR_VFIO_CLOSED");
  });

  it("may be fd 0 and group 0: they are ordinary values", async () => {
    await given({ container: { fd: 0 }, groups: [{ fd: 0, number: 0 }] });
    const { wire, files } = await converse(primary.path, [int(0x200), int(0)]);
    expect(wire).toHaveLength(2);
    expect(identityOf(files[0]!)).toBe(identityOf({ fd: 0 }));
    files[0]!.close();
  });
});

describe("closing", () => {
  it("drops who is being served, and closing twice does nothing", async () => {
    using socket = SeqpacketSocket.connect(primary.path);
    await fetchContainer();
    expect(primary.server.clients).toBe(1);
    primary.server.close();
    primary.server.close();
    expect(primary.server.closed).toBe(true);
    expect(isEof(await next(socket))).toBe(true);
    expect(await primary.told(2)).toEqual(["container: OK", "dropped: closed"]);
  });

  it("when disposed with await, it lets who is being served finish", async () => {
    using socket = SeqpacketSocket.connect(primary.path);
    await fetchContainer();
    const disposed = primary.server[Symbol.asyncDispose]();
    await expectError(() => connect(primary.path), "ENOENT");
    socket.send(int(0x300));
    expect(spell(await next(socket))).toBe(`${hex(255)}+0fd`);
    await disposed;
    await primary.server[Symbol.asyncDispose]();
    expect(await primary.told(2)).toEqual(["container: OK", "unknown: ERR"]);
  });

  it("used after its close, it says that it is closed", async () => {
    primary.server.close();
    for (const use of [() => primary.server.addGroup(primary.group7), () => primary.server.removeGroup(7)]) {
      await expectError(use, "ERR_VFIO_CLOSED", primary.path);
    }
  });
});
