import { readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { DatagramSocket, kernel, SeqpacketListener, useKernel } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { connectToPrimary, type PrimaryPeer } from "../src/index.js";
import { errorOf, expectError } from "./support/errors.js";
import { expectNoFdLeft, identityOf, openFds, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { connect, joined, peer, primary, usePeer, usePrimary, verify } from "./support/primary.js";
import { hex, int, JoinedScript, ScriptedPrimary, type Script, type ScriptedReply } from "./support/wire.js";

useFolder();
expectNoFdLeft();

const O_CLOEXEC = 0o2000000;
const CLOSED = "ERR_VFIO_CLOSED";
const GONE = "ERR_VFIO_PRIMARY_GONE";
const PROTOCOL = "ERR_VFIO_PROTOCOL";
const TIMEOUT = "ERR_VFIO_TIMEOUT";

describe("our secondary and our primary", () => {
  usePeer();

  it("given a primary, the secondary has its container, its groups and its memory, each the very same, and close-on-exec", async () => {
    using memory = someFile();
    const description = new TextEncoder().encode("2 MiB at IOVA 0x100000000");
    await joined({ memories: [{ file: memory, description }] });
    expect(peer.path).toBe(primary.path);
    expect(identityOf(peer.container)).toBe(identityOf(primary.container));
    const group = await peer.group(7);
    expect(group.number).toBe(7);
    expect(identityOf(group)).toBe(identityOf(primary.group7));
    const [shared, ...others] = await peer.memory();
    expect(others).toEqual([]);
    expect(identityOf(shared!.file)).toBe(identityOf(memory));
    expect(new TextDecoder().decode(shared!.description)).toBe("2 MiB at IOVA 0x100000000");
    for (const { fd } of [peer.container, group, shared!.file]) {
      const [, flags = ""] = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
      expect(Number.parseInt(flags, 8) & O_CLOEXEC).toBe(O_CLOEXEC);
    }
  });

  it("asks for a group once, and again only when its fd has been closed", async () => {
    const group = await peer.group(0);
    expect(await peer.group(0)).toBe(group);
    group.close();
    const again = await peer.group(0);
    expect(again).not.toBe(group);
    expect(identityOf(again)).toBe(identityOf(primary.group0));
    expect(await primary.told(3)).toEqual(["container: OK", "group 0: OK", "group 0: OK"]);
  });

  it("given several calls for one group at once, all have the same fd", async () => {
    const before = openFds().length;
    const groups = await Promise.all([peer.group(7), peer.group(7), peer.group(7)]);
    expect(new Set(groups).size).toBe(1);
    await primary.told(4);
    expect(openFds()).toHaveLength(before + 1);
  });

  it("tells a group that exists without an fd from one that does not exist", async () => {
    const text = /group 8 exists, but the primary at .* not bound to VFIO, or not opened by it/;
    await expectError(() => peer.group(8), "ERR_VFIO_GROUP_NO_FD", text, "vfio-pci");
    const folder = "/sys/kernel/iommu_groups";
    await expectError(() => peer.group(9999), "ERR_VFIO_GROUP_REFUSED", "knows no group 9999", folder);
  });

  it.each([-1, 1.5, 2 ** 31])("refuses %d as a group number without asking", async (number) => {
    await expectError(() => peer.group(number), "ERR_VFIO_GROUP_NUMBER");
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });

  it("given a close, every fd is closed, closing twice does nothing, and each use after it says so, the primary ended or not", async () => {
    using file = someFile();
    const { container } = peer;
    const group = await peer.group(7);
    peer.close();
    peer.close();
    expect([container.closed, group.closed, peer.closed]).toEqual([true, true, true]);
    const uses: (() => unknown)[] = [
      () => peer.container,
      () => peer.group(7),
      () => peer.hello(),
      () => peer.iommuType(),
      () => peer.devices(),
      () => peer.memory(),
      () => peer.mapDma({ file, iova: 0x1_0000_0000n, bytes: 4096 }),
    ];
    for (const use of uses) await expectError(use, CLOSED, primary.path);
    primary.server.close();
    for (const use of uses) await expectError(use, CLOSED, primary.path);
  });

  it("given a close while a request is under way, the request is given up and leaves no fd", async () => {
    const requests = [errorOf(() => peer.group(7)), errorOf(() => peer.memory())];
    peer.close();
    expect((await Promise.all(requests)).map(({ code }) => code)).toEqual([CLOSED, CLOSED]);
    await primary.told(3);
  });
});

describe("our secondary and a primary of 2014, byte for byte", () => {
  it("asks for the container in one packet and for a group in two, a connection each", async () => {
    using file = someFile();
    const path = freshPath();
    await using scripted = new ScriptedPrimary(
      path,
      { takes: 1, sends: [{ bytes: int(0), fds: [file] }] },
      { takes: 2, sends: [{ bytes: int(0) }, { bytes: int(0), fds: [file] }] },
    );
    using joiner = await connect(path);
    expect(identityOf(joiner.container)).toBe(identityOf(file));
    expect(identityOf(await joiner.group(7))).toBe(identityOf(file));
    expect(scripted.received).toEqual([`${hex(0x100)}+0fd`, `${hex(0x200)}+0fd`, `${hex(7)}+0fd`]);
  });

  it.each(["EPIPE", "ECONNRESET"] as const)(
    "given one that refuses and leaves before the group number (%s): its answer counts",
    async (errno) => {
      await using scripted = await JoinedScript.play({ takes: 1, sends: [{ bytes: int(0xff) }] });
      const real = kernel();
      using _left = useKernel({
        ...real,
        socketSend: (fd, bytes, fds) =>
          Buffer.from(bytes).equals(int(77)) ? -constants.errno[errno] : real.socketSend(fd, bytes, fds),
      });
      await expectError(() => scripted.peer.group(77), "ERR_VFIO_GROUP_REFUSED");
    },
  );

  it.each<[string, number, (peer: PrimaryPeer) => Promise<unknown>]>([
    ["REQ_HELLO (0x10000)", 0x10000, (asker) => asker.hello()],
    ["REQ_MEMORY (0x10001)", 0x10001, (asker) => asker.memory()],
    ["REQ_IOMMU_TYPE (0x10002)", 0x10002, (asker) => asker.iommuType()],
    ["REQ_DEVICES (0x10003)", 0x10003, (asker) => asker.devices()],
    ["REQ_LEASE (0x10004)", 0x10004, (asker) => asker.mapDma({ file, iova: 0n, bytes: 4096 })],
  ])("given one that answers ERR to %s, the error says so", async (request, code, ask) => {
    await using scripted = await JoinedScript.play({ takes: 1, sends: [{ bytes: int(255) }] });
    await expectError(
      () => ask(scripted.peer),
      "ERR_VFIO_PRIMARY_LACKS_REQUEST",
      `the primary at ${scripted.peer.path} answers ERR to ${request}`,
      "2014 primary serves only requests for container and groups",
    );
    expect(scripted.received[0]).toBe(`${hex(code)}+0fd`);
  });
});

const file = someFile();
const ok: ScriptedReply = { bytes: int(0) };
const okWithFd: ScriptedReply = { bytes: int(0), fds: [file] };
const answer = (value: number): ScriptedReply => ({ bytes: int(value) });
const withFds = (bytes: Uint8Array, count = 1): ScriptedReply => ({ bytes, fds: Array(count).fill(file) });

/** What a broken primary says to the request for the container, and what comes of it. */
describe("our secondary and a primary that breaks the protocol: a typed error, and every fd closed", () => {
  it.each<[string, ScriptedReply[], string, string]>([
    ["an OK without fd", [ok], PROTOCOL, "0 fd(s) came with its OK"],
    ["two fds", [withFds(int(0), 2)], PROTOCOL, "2 fd(s) came with its OK"],
    ["more fds than can be received", [withFds(int(0), 40)], PROTOCOL, "more fds than could be received"],
    ["2 bytes", [withFds(Uint8Array.of(0, 0))], PROTOCOL, "a packet of 2 bytes where an int of 4"],
    ["an OK of 4096 bytes", [withFds(new Uint8Array(4096))], PROTOCOL, "its OK was too long"],
    ["an fd without bytes", [withFds(new Uint8Array())], PROTOCOL, "0 bytes"],
    ["an answer of 2", [withFds(int(2))], PROTOCOL, "2 is none of OK"],
    ["ERR with an fd", [withFds(int(255))], "ERR_VFIO_CONTAINER_REFUSED", "(ERR)"],
    ["NO_FD", [answer(1)], "ERR_VFIO_CONTAINER_REFUSED", "(NO_FD)"],
    ["nothing but the end", [], GONE, "before it answered the request for its container"],
  ])("%s in place of the container", async (_name, sends, code, text) => {
    const path = freshPath();
    await using scripted = new ScriptedPrimary(path, { takes: 1, sends });
    await expectError(() => connect(path), code, text);
    expect(scripted.received).toEqual([`${hex(0x100)}+0fd`]);
  });

  it.each<[string, ScriptedReply[], string, string]>([
    ["its fd with the first OK already", [okWithFd, okWithFd], PROTOCOL, "1 fd(s) came with its OK"],
    ["no fd with the second OK", [ok, ok], PROTOCOL, "0 fd(s) came with its OK"],
    ["two fds", [ok, withFds(int(0), 2)], PROTOCOL, "2 fd(s)"],
    ["OK and then ERR", [ok, answer(255)], "ERR_VFIO_GROUP_REFUSED", "failed to share it"],
    ["OK and then the end", [ok], GONE, "before it answered the request for group 7"],
  ])("%s in place of a group", async (_name, sends, code, text) => {
    await using scripted = await JoinedScript.play({ takes: 2, sends });
    await expectError(() => scripted.peer.group(7), code, text);
    expect(scripted.received).toEqual([`${hex(0x200)}+0fd`, `${hex(7)}+0fd`]);
  });

  const one = Uint8Array.of(1);
  it.each<[string, ScriptedReply[], string, string]>([
    ["a count of -1", [ok, answer(-1)], PROTOCOL, "-1 shared memories"],
    ["a count of 2^31 - 1", [ok, answer(2 ** 31 - 1)], PROTOCOL, "2147483647 shared"],
    ["fewer than it counted", [ok, answer(2), withFds(one)], GONE, "its shared memory"],
    [
      "one without fd",
      [ok, answer(2), withFds(one), { bytes: one }],
      PROTOCOL,
      "0 fd(s) came with a memory's",
    ],
    ["65537 bytes", [ok, answer(1), withFds(new Uint8Array(65_537))], PROTOCOL, "description was too long"],
  ])("%s in place of the memory", async (_name, sends, code, text) => {
    await using scripted = await JoinedScript.play({ takes: 1, sends });
    await expectError(() => scripted.peer.memory(), code, text);
    expect(scripted.received).toEqual([`${hex(0x10001)}+0fd`]);
  });

  const packetOf = (bytes: number, value: number): ScriptedReply => ({
    bytes: new Uint8Array(bytes).fill(value),
  });
  it.each<["hello" | "iommuType" | "devices", string, ScriptedReply[], string]>([
    ["hello", "a version of 0", [ok, ok], "0 as its version"],
    ["hello", "negative capabilities", [ok, answer(1), answer(-1)], "-1 as its cap"],
    ["iommuType", "a negative type", [ok, answer(-1)], "-1 as its IOMMU type"],
    ["devices", "1025 of them", [ok, answer(1025)], "1025 devices"],
    ["devices", "one without an address", [ok, answer(1), packetOf(8, 0)], "a device in a packet of 8 bytes"],
    ["devices", "one in group -1", [ok, answer(1), packetOf(9, 255)], "in group -1 is no device"],
  ])("asked for its %s, it replies with %s", async (what, _name, sends, text) => {
    await using scripted = await JoinedScript.play({ takes: 1, sends });
    await expectError(() => scripted.peer[what](), PROTOCOL, text);
  });

  it("given more packets than belong to the reply, takes its own and leaves", async () => {
    const path = freshPath();
    const endless = Array.from({ length: 100 }, () => okWithFd);
    await using scripted = new ScriptedPrimary(path, { takes: 1, sends: endless });
    using joiner = await connect(path);
    expect(identityOf(joiner.container)).toBe(identityOf(file));
    expect(scripted.received).toEqual([`${hex(0x100)}+0fd`]);
  });
});

describe("our secondary without a primary", () => {
  it.each<[string, (path: string) => unknown, string, string, string]>([
    [
      "no socket file",
      () => undefined,
      "ENOENT",
      "cannot connect to ",
      "No primary is running, or it runs as",
    ],
    [
      "a dead primary's",
      (path) => SeqpacketListener.listen(path, 1).close(),
      "ECONNREFUSED",
      "",
      "is dead; start",
    ],
    ["a file that is no socket", (path) => writeFileSync(path, ""), "ECONNREFUSED", "", ""],
  ])("given %s: an error that says what to do", async (_name, make, code, text, hint) => {
    const path = freshPath();
    make(path);
    await expectError(() => connect(path), code, text && text + path, hint);
  });

  it("given a socket of another user's: EACCES, and whose it should be", async () => {
    const path = freshPath();
    using _denied = useKernel({ ...kernel(), socketConnect: () => -constants.errno.EACCES });
    const hint = `(uid ${process.getuid!()}) may not use the primary's socket`;
    await expectError(() => connect(path), "EACCES", path, hint);
  });

  it("given another program's socket, of another type: EPROTOTYPE, and whose it is", async () => {
    const path = freshPath();
    using _other = DatagramSocket.bind(path);
    await expectError(() => connect(path), "EPROTOTYPE", path, "belongs to another program");
  });

  it.each([0, -1, NaN, 2 ** 31])("refuses a timeout of %d ms", async (timeoutMs) => {
    await expectError(() => connectToPrimary({ path: freshPath(), timeoutMs }), "ERR_VFIO_TIMEOUT_RANGE");
  });
});

describe("our secondary and a primary that does not answer", () => {
  const silent: Script = { takes: 1, sends: [], thenHangs: true };

  it("given silence: ERR_VFIO_TIMEOUT, which names the primary and what it was asked for", async () => {
    const path = freshPath();
    await using scripted = new ScriptedPrimary(path, silent);
    const text = `no answer from the primary at ${path} within 50 ms when asked for its container`;
    await expectError(() => connectToPrimary({ path, verify, timeoutMs: 50 }), TIMEOUT, text, "timeoutMs");
    await scripted.took(1);
    expect(scripted.received).toEqual([`${hex(0x100)}+0fd`]);
  });

  it("given a queue that is full and stays so: ERR_VFIO_TIMEOUT", async () => {
    const path = freshPath();
    using listener = SeqpacketListener.listen(path, 0);
    const ask = (): Promise<unknown> => connectToPrimary({ path, verify, timeoutMs: 100 });
    await Promise.all([expectError(ask, TIMEOUT), expectError(ask, TIMEOUT)]);
    expect(listener.fd).toBeGreaterThan(0);
  });

  it("given an abort, before or during: the signal's own reason", async () => {
    const path = freshPath();
    await using scripted = new ScriptedPrimary(path, silent);
    const reason = new Error("changed my mind");
    await expect(connectToPrimary({ path, verify, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(scripted.received).toEqual([]);
    const controller = new AbortController();
    const connecting = connectToPrimary({ path, verify, signal: controller.signal });
    controller.abort(reason);
    await expect(connecting).rejects.toBe(reason);
  });
});

describe("looking at what came", () => {
  usePrimary();

  it("given an fd that is no VFIO container: ERR_VFIO_WRONG_FD, which names what it is, and it is closed", async () => {
    const { path } = primary;
    await expectError(() => connectToPrimary({ path }), "ERR_VFIO_WRONG_FD", /\/memfd:.* as its container/);
  });

  it("given a verifier of one's own, it is asked about each fd, and its error closes the fd", async () => {
    const looked: string[] = [];
    using joiner = await connectToPrimary({
      path: primary.path,
      verify: (received, expected) => {
        looked.push(`${expected.kind} ${identityOf(received)}`);
        if (expected.kind === "group" && expected.number === 0) throw new Error("not this one");
      },
    });
    await joiner.group(7);
    await expect(joiner.group(0)).rejects.toThrow("not this one");
    expect(looked).toEqual([
      `container ${identityOf(primary.container)}`,
      `group ${identityOf(primary.group7)}`,
      `group ${identityOf(primary.group0)}`,
    ]);
  });
});
