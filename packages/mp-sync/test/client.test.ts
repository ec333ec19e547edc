import { readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { kernel, SeqpacketListener, useKernel } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { connectToPrimary, type PrimaryPeer } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { expectNoFdLeft, identityOf, openFds, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { TestPrimary } from "./support/primary.js";
import { int, ScriptedPrimary, type Script, type ScriptedReply } from "./support/wire.js";

useFolder();
expectNoFdLeft();

const O_CLOEXEC = 0o2000000;
const verify = (): void => undefined;
const connect = (path: string): Promise<PrimaryPeer> => connectToPrimary({ path, verify });
const hex = (value: number): string => Buffer.from(int(value)).toString("hex");

describe("our secondary and our primary", () => {
  it("given a primary, the secondary has its container, its groups and its memory, each the very same", async () => {
    using memory = someFile();
    const description = new TextEncoder().encode("2 MiB at IOVA 0x100000000");
    using primary = await TestPrimary.start({ memories: [{ file: memory, description }] });
    using peer = await connect(primary.path);
    expect(peer.path).toBe(primary.path);
    expect(identityOf(peer.container)).toBe(identityOf(primary.container));
    const group = await peer.group(7);
    expect(group.number).toBe(7);
    expect(identityOf(group)).toBe(identityOf(primary.group7));
    const [shared, ...others] = await peer.memory();
    expect(others).toEqual([]);
    expect(identityOf(shared!.file)).toBe(identityOf(memory));
    expect(new TextDecoder().decode(shared!.description)).toBe("2 MiB at IOVA 0x100000000");
  });

  it("every fd that came is close-on-exec", async () => {
    using memory = someFile();
    const description = new Uint8Array();
    using primary = await TestPrimary.start({ memories: [{ file: memory, description }] });
    using peer = await connect(primary.path);
    const [shared] = await peer.memory();
    for (const { fd } of [peer.container, await peer.group(7), shared!.file]) {
      const [, flags = ""] = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
      expect(Number.parseInt(flags, 8) & O_CLOEXEC).toBe(O_CLOEXEC);
    }
  });

  it("asks for a group once, and again only when its fd has been closed", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const group = await peer.group(0);
    expect(await peer.group(0)).toBe(group);
    group.close();
    const again = await peer.group(0);
    expect(again).not.toBe(group);
    expect(identityOf(again)).toBe(identityOf(primary.group0));
    expect(await primary.told(3)).toEqual(["container: OK", "group 0: OK", "group 0: OK"]);
  });

  it("given several calls for one group at once, all have the same fd", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const before = openFds().length;
    const groups = await Promise.all([peer.group(7), peer.group(7), peer.group(7)]);
    expect(new Set(groups).size).toBe(1);
    await primary.told(4);
    expect(openFds()).toHaveLength(before + 1);
  });

  it("tells a group that exists without an fd from one that does not exist", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const noFd = await errorOf(() => peer.group(8));
    expect(noFd.code).toBe("ERR_VFIO_GROUP_NO_FD");
    expect(noFd.message).toContain("group 8 exists, but the primary at");
    expect(noFd.message).toContain("not bound to VFIO, or not opened by it");
    expect(noFd.hint).toContain("vfio-pci");
    const unknown = await errorOf(() => peer.group(9999));
    expect(unknown.code).toBe("ERR_VFIO_GROUP_REFUSED");
    expect(unknown.message).toContain("knows no group 9999");
    expect(unknown.hint).toContain("/sys/kernel/iommu_groups");
  });

  it.each(["EPIPE", "ECONNRESET"] as const)(
    "given a primary that refuses and leaves before the group number (%s): its answer counts",
    async (errno) => {
      const path = freshPath();
      using container = someFile();
      await using _primary = new ScriptedPrimary(
        path,
        { takes: 1, sends: [{ bytes: int(0), fds: [container] }] },
        { takes: 1, sends: [{ bytes: int(0xff) }] },
      );
      using peer = await connect(path);
      const real = kernel();
      using _left = useKernel({
        ...real,
        socketSend: (fd, bytes, fds) =>
          Buffer.from(bytes).equals(int(77)) ? -constants.errno[errno] : real.socketSend(fd, bytes, fds),
      });
      expect((await errorOf(() => peer.group(77))).code).toBe("ERR_VFIO_GROUP_REFUSED");
    },
  );

  it.each([-1, 1.5, 2 ** 31])("refuses %d as a group number without asking", async (number) => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    expect((await errorOf(() => peer.group(number))).code).toBe("ERR_VFIO_GROUP_NUMBER");
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });

  it("given a close, every fd is closed, closing twice does nothing, and use after it says so", async () => {
    using primary = await TestPrimary.start();
    const peer = await connect(primary.path);
    const { container } = peer;
    const group = await peer.group(7);
    peer.close();
    peer.close();
    expect([container.closed, group.closed, peer.closed]).toEqual([true, true, true]);
    for (const use of [() => peer.container, () => peer.group(7), () => peer.memory()]) {
      const error = await errorOf(use);
      expect(error.code).toBe("ERR_VFIO_CLOSED");
      expect(error.message).toContain(primary.path);
    }
  });

  it("given a close of the peer, then the primary's end, each request says that it is the peer that is closed", async () => {
    using memory = someFile();
    const primary = await TestPrimary.start();
    const peer = await connect(primary.path);
    peer.close();
    primary[Symbol.dispose]();
    const requests: Record<string, () => Promise<unknown>> = {
      group: () => peer.group(7),
      hello: () => peer.hello(),
      iommuType: () => peer.iommuType(),
      devices: () => peer.devices(),
      memory: () => peer.memory(),
      mapDma: () => peer.mapDma({ file: memory, iova: 0x1_0000_0000n, bytes: 4096 }),
    };
    for (const [name, request] of Object.entries(requests))
      expect([name, (await errorOf(request)).code]).toEqual([name, "ERR_VFIO_CLOSED"]);
  });

  it("given a close while a request is under way, the request is given up and leaves no fd", async () => {
    using primary = await TestPrimary.start();
    const peer = await connect(primary.path);
    const requests = [errorOf(() => peer.group(7)), errorOf(() => peer.memory())];
    peer.close();
    expect((await Promise.all(requests)).map(({ code }) => code)).toEqual([
      "ERR_VFIO_CLOSED",
      "ERR_VFIO_CLOSED",
    ]);
    await primary.told(3);
  });
});

describe("our secondary and a primary of 2014, byte for byte", () => {
  it("asks for the container in one packet and for a group in two, a connection each", async () => {
    using file = someFile();
    const path = freshPath();
    await using primary = new ScriptedPrimary(
      path,
      { takes: 1, sends: [{ bytes: int(0), fds: [file] }] },
      { takes: 2, sends: [{ bytes: int(0) }, { bytes: int(0), fds: [file] }] },
    );
    using peer = await connect(path);
    expect(identityOf(peer.container)).toBe(identityOf(file));
    expect(identityOf(await peer.group(7))).toBe(identityOf(file));
    expect(primary.received).toEqual([`${hex(0x100)}+0fd`, `${hex(0x200)}+0fd`, `${hex(7)}+0fd`]);
  });
});

/** What a broken primary says to the request for the container, and what comes of it. */
describe("our secondary and a primary that breaks the protocol: a typed error, and every fd closed", () => {
  const file = someFile();
  const scripts: [string, readonly ScriptedReply[], string, string][] = [
    ["an OK without fd", [{ bytes: int(0) }], "ERR_VFIO_PROTOCOL", "0 fd(s) came with its OK"],
    ["two fds", [{ bytes: int(0), fds: [file, file] }], "ERR_VFIO_PROTOCOL", "2 fd(s) came with its OK"],
    [
      "more fds than can be received",
      [{ bytes: int(0), fds: Array.from({ length: 40 }, () => file) }],
      "ERR_VFIO_PROTOCOL",
      "more fds than could be received",
    ],
    [
      "2 bytes",
      [{ bytes: Uint8Array.of(0, 0), fds: [file] }],
      "ERR_VFIO_PROTOCOL",
      "a packet of 2 bytes where an int of 4",
    ],
    [
      "an OK of 4096 bytes",
      [{ bytes: new Uint8Array(4096), fds: [file] }],
      "ERR_VFIO_PROTOCOL",
      "its OK was too long",
    ],
    ["an fd without bytes", [{ bytes: new Uint8Array(), fds: [file] }], "ERR_VFIO_PROTOCOL", "0 bytes"],
    ["an answer of 2", [{ bytes: int(2), fds: [file] }], "ERR_VFIO_PROTOCOL", "2 is none of OK"],
    ["ERR with an fd", [{ bytes: int(255), fds: [file] }], "ERR_VFIO_CONTAINER_REFUSED", "(ERR)"],
    ["NO_FD", [{ bytes: int(1) }], "ERR_VFIO_CONTAINER_REFUSED", "(NO_FD)"],
    ["nothing but the end", [], "ERR_VFIO_PRIMARY_GONE", "while it was asked for its container"],
  ];

  it.each(scripts)("%s in place of the container", async (_name, sends, code, text) => {
    const path = freshPath();
    await using primary = new ScriptedPrimary(path, { takes: 1, sends });
    const error = await errorOf(() => connect(path));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(primary.received).toEqual([`${hex(0x100)}+0fd`]);
  });

  const ok: ScriptedReply = { bytes: int(0) };
  const okWithFd: ScriptedReply = { bytes: int(0), fds: [file] };
  const groupScripts: [string, readonly ScriptedReply[], string, string][] = [
    [
      "its fd with the first OK already",
      [okWithFd, okWithFd],
      "ERR_VFIO_PROTOCOL",
      "1 fd(s) came with its OK",
    ],
    ["no fd with the second OK", [ok, ok], "ERR_VFIO_PROTOCOL", "0 fd(s) came with its OK"],
    ["two fds", [ok, { bytes: int(0), fds: [file, file] }], "ERR_VFIO_PROTOCOL", "2 fd(s)"],
    ["OK and then ERR", [ok, { bytes: int(255) }], "ERR_VFIO_GROUP_REFUSED", "failed to give it"],
    ["OK and then the end", [ok], "ERR_VFIO_PRIMARY_GONE", "while it was asked for group 7"],
  ];

  it.each(groupScripts)("%s in place of a group", async (_name, sends, code, text) => {
    const path = freshPath();
    await using primary = new ScriptedPrimary(path, { takes: 1, sends: [okWithFd] }, { takes: 2, sends });
    using peer = await connect(path);
    const error = await errorOf(() => peer.group(7));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(primary.received.slice(1)).toEqual([`${hex(0x200)}+0fd`, `${hex(7)}+0fd`]);
  });

  const memory: ScriptedReply = { bytes: Uint8Array.of(1), fds: [file] };
  const memoryScripts: [string, readonly ScriptedReply[], string, string][] = [
    ["a count of -1", [ok, { bytes: int(-1) }], "ERR_VFIO_PROTOCOL", "-1 shared memories"],
    ["a count of 2^31 - 1", [ok, { bytes: int(2 ** 31 - 1) }], "ERR_VFIO_PROTOCOL", "2147483647 shared"],
    ["fewer than it counted", [ok, { bytes: int(2) }, memory], "ERR_VFIO_PRIMARY_GONE", "its shared memory"],
    [
      "one without fd",
      [ok, { bytes: int(2) }, memory, { bytes: Uint8Array.of(1) }],
      "ERR_VFIO_PROTOCOL",
      "0 fd(s) came with a memory's description",
    ],
    [
      "a description of 65537 bytes",
      [ok, { bytes: int(1) }, { bytes: new Uint8Array(65_537), fds: [file] }],
      "ERR_VFIO_PROTOCOL",
      "a memory's description was too long",
    ],
  ];

  it.each(memoryScripts)("%s in place of the memory", async (_name, sends, code, text) => {
    const path = freshPath();
    await using primary = new ScriptedPrimary(path, { takes: 1, sends: [okWithFd] }, { takes: 1, sends });
    using peer = await connect(path);
    const error = await errorOf(() => peer.memory());
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(primary.received.slice(1)).toEqual([`${hex(0x10001)}+0fd`]);
  });

  it("given more packets than belong to the reply, takes its own and leaves", async () => {
    const path = freshPath();
    const endless = Array.from({ length: 100 }, () => okWithFd);
    await using primary = new ScriptedPrimary(path, { takes: 1, sends: endless });
    using peer = await connect(path);
    expect(identityOf(peer.container)).toBe(identityOf(file));
    expect(primary.received).toEqual([`${hex(0x100)}+0fd`]);
  });
});

describe("our secondary without a primary", () => {
  it("given no socket file: ENOENT, with the path and what to compare", async () => {
    const path = freshPath();
    const error = await errorOf(() => connect(path));
    expect(error.code).toBe("ENOENT");
    expect(error.message).toContain(`cannot connect to ${path}`);
    expect(error.hint).toContain("No primary is running, or it runs as another user");
  });

  it("given the socket of a dead primary: ECONNREFUSED, and that it is stale", async () => {
    const path = freshPath();
    SeqpacketListener.listen(path, 1).close();
    const error = await errorOf(() => connect(path));
    expect(error.code).toBe("ECONNREFUSED");
    expect(error.hint).toContain("is dead; start it again");
  });

  it("given a socket of another user's: EACCES, and whose it should be", async () => {
    const path = freshPath();
    const fake = useKernel({ ...kernel(), socketConnect: () => -13 });
    try {
      const error = await errorOf(() => connect(path));
      expect(error.code).toBe("EACCES");
      expect(error.message).toContain(path);
      expect(error.hint).toContain(`(uid ${process.getuid!()}) may not use the primary's socket`);
    } finally {
      fake[Symbol.dispose]();
    }
  });

  it("given a file that is no socket: ECONNREFUSED too", async () => {
    const path = freshPath();
    writeFileSync(path, "");
    expect((await errorOf(() => connect(path))).code).toBe("ECONNREFUSED");
  });

  it.each([0, -1, NaN, 2 ** 31])("refuses a timeout of %d ms", async (timeoutMs) => {
    const error = await errorOf(() => connectToPrimary({ path: freshPath(), timeoutMs }));
    expect(error.code).toBe("ERR_VFIO_TIMEOUT_RANGE");
  });
});

describe("our secondary and a primary that does not answer", () => {
  const silent: Script = { takes: 1, sends: [], thenHangs: true };

  it("given silence: ERR_VFIO_TIMEOUT, which names the primary and what it was asked for", async () => {
    const path = freshPath();
    await using primary = new ScriptedPrimary(path, silent);
    const error = await errorOf(() => connectToPrimary({ path, verify, timeoutMs: 50 }));
    expect(error.code).toBe("ERR_VFIO_TIMEOUT");
    expect(error.message).toContain(
      `no answer from the primary at ${path} within 50 ms when asked for its container`,
    );
    expect(error.hint).toContain("timeoutMs");
    await primary.took(1);
    expect(primary.received).toEqual([`${hex(0x100)}+0fd`]);
  });

  it("given a queue that is full and stays so: ERR_VFIO_TIMEOUT", async () => {
    const path = freshPath();
    using listener = SeqpacketListener.listen(path, 0);
    const first = errorOf(() => connectToPrimary({ path, verify, timeoutMs: 100 }));
    const second = errorOf(() => connectToPrimary({ path, verify, timeoutMs: 100 }));
    expect((await first).code).toBe("ERR_VFIO_TIMEOUT");
    expect((await second).code).toBe("ERR_VFIO_TIMEOUT");
    expect(listener.fd).toBeGreaterThan(0);
  });

  it("given an abort, before or during: the signal's own reason", async () => {
    const path = freshPath();
    await using primary = new ScriptedPrimary(path, silent);
    const reason = new Error("changed my mind");
    await expect(connectToPrimary({ path, verify, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(primary.received).toEqual([]);
    const controller = new AbortController();
    const connecting = connectToPrimary({ path, verify, signal: controller.signal });
    controller.abort(reason);
    await expect(connecting).rejects.toBe(reason);
  });
});

describe("looking at what came", () => {
  it("given an fd that is no VFIO container: ERR_VFIO_WRONG_FD, which names what it is, and it is closed", async () => {
    using primary = await TestPrimary.start();
    const error = await errorOf(() => connectToPrimary({ path: primary.path }));
    expect(error.code).toBe("ERR_VFIO_WRONG_FD");
    expect(error.message).toContain("/memfd:");
    expect(error.message).toContain("as its container");
  });

  it("given a verifier of one's own, it is asked about each fd, and its error closes the fd", async () => {
    using primary = await TestPrimary.start();
    const looked: string[] = [];
    using peer = await connectToPrimary({
      path: primary.path,
      verify: (file, expected) => {
        looked.push(`${expected.kind} ${identityOf(file)}`);
        if (expected.kind === "group" && expected.number === 0) throw new Error("not this one");
      },
    });
    await peer.group(7);
    await expect(peer.group(0)).rejects.toThrow("not this one");
    expect(looked).toEqual([
      `container ${identityOf(primary.container)}`,
      `group ${identityOf(primary.group7)}`,
      `group ${identityOf(primary.group0)}`,
    ]);
  });
});
