import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { DatagramSocket, kernel, realKernel, useKernel, VfioError, type Kernel } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { PrivateSocket } from "../src/dpdk/private-socket.js";
import { dpdkRuntimeDirectory, joinDpdkPrimary, type DpdkPrimary } from "../src/index.js";
import { Child } from "./support/child.js";
import { FakeDpdkPrimary } from "./support/dpdk-primary.js";
import { errorOf, expectError } from "./support/errors.js";
import { expectNoFdLeft } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { useFilesThatAnswerAsVfio } from "./support/kernel.js";

useFolder();
useFilesThatAnswerAsVfio();
expectNoFdLeft();

const join = (fake: FakeDpdkPrimary): Promise<DpdkPrimary> => joinDpdkPrimary({ directory: fake.directory });

const GONE = "ERR_VFIO_PRIMARY_GONE";
const NO_PRIMARY = "ERR_VFIO_DPDK_NO_PRIMARY";

describe("the runtime directory", () => {
  it.each([
    [{}, 0, {}, "/var/run/dpdk/rte"],
    [{ prefix: "pmd" }, 0, { XDG_RUNTIME_DIR: "/run/user/0" }, "/var/run/dpdk/pmd"],
    [{}, 1000, { XDG_RUNTIME_DIR: "/run/user/1000" }, "/run/user/1000/dpdk/rte"],
    [{}, 1000, {}, "/tmp/dpdk/rte"],
    [{}, 0, { RUNTIME_DIRECTORY: "/run/pmd" }, "/run/pmd/dpdk/rte"],
    [{ directory: "/x/y/../z" }, 0, {}, "/x/z"],
  ])("of %j for uid %d with %j is %s", (options, uid, env, directory) => {
    expect(dpdkRuntimeDirectory(options, { uid, env })).toBe(directory);
  });

  it.each(["", "a/b", "a\0b"])("has no prefix %j", async (prefix) => {
    await expectError(() => joinDpdkPrimary({ prefix }), "ERR_VFIO_SOCKET_PREFIX");
  });

  it.each([0, -1, NaN, 2 ** 31])("is not waited for for %s ms", async (timeoutMs) => {
    await expectError(() => joinDpdkPrimary({ timeoutMs }), "ERR_VFIO_TIMEOUT_RANGE");
  });
});

describe("a primary that is not there", () => {
  it("because there is no such directory: the others that are there are named", async () => {
    const folder = freshPath();
    await using fake = await FakeDpdkPrimary.start();
    const text = `there is no DPDK primary in ${folder}`;
    const { hint } = await expectError(() => joinDpdkPrimary({ directory: folder }), NO_PRIMARY, text);
    for (const word of ["--file-prefix", path.basename(fake.directory), "--in-memory"])
      expect(hint).toContain(word);
  });

  it("because it has ended: its directory is left, and nobody holds the lock", async () => {
    await using fake = await FakeDpdkPrimary.start();
    await fake.kill("SIGKILL");
    const text = `nobody holds the lock on ${fake.directory}/config`;
    await expectError(() => join(fake), NO_PRIMARY, text, "Start it again");
  });

  it.each([
    ["stale", "nobody listens any more at"],
    [false, "there is no socket at"],
  ] as const)("although its lock is: its socket is %s", async (socket, state) => {
    await using fake = await FakeDpdkPrimary.start({ socket });
    using primary = await join(fake);
    const text = `${state} ${fake.directory}/mp_socket`;
    await expectError(() => primary.container(), NO_PRIMARY, text, "ended its IPC thread");
    expect(fake.socketsLeft().filter((name) => name.startsWith(".vfio"))).toEqual([]);
  });

  it("for this user: EACCES, with what to do", async () => {
    await using fake = await FakeDpdkPrimary.start();
    using _denied = useKernel({ ...realKernel(), open: () => -13 });
    await expectError(() => join(fake), "EACCES", `${fake.directory}/config`, "as root");
  });

  it("any more for who has given up before", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(joinDpdkPrimary({ signal })).rejects.toThrow("enough");
  });
});

describe("the groups", () => {
  it("that the primary has open are known without asking it", async () => {
    await using fake = await FakeDpdkPrimary.start();
    using primary = await join(fake);
    expect(primary.pid).toBe(fake.pid);
    expect(primary.groupsInUse()).toEqual([0, 7]);
  });

  it("that it has not are not asked for, unless that is wanted", async () => {
    await using fake = await FakeDpdkPrimary.start();
    using primary = await join(fake);
    const text = "has only 0, 7 open";
    await expectError(() => primary.group(9), "ERR_VFIO_GROUP_NOT_IN_USE", text, "allowUnused");
    expect(fake.asked).toEqual([]);
    await expectError(() => primary.group(9, { allowUnused: true }), "ERR_VFIO_GROUP_NO_FD");
    await fake.told(2);
    expect(fake.asked).toMatchObject([{ req: 0x200, value: 9 }]);
  });

  it("of a primary that cannot be looked into are not asked for either", async () => {
    await using fake = await FakeDpdkPrimary.start();
    const lockHolder = (): { locked: boolean; pid: number } => ({ locked: true, pid: 0 });
    using _elsewhere = useKernel({ ...kernel(), lockHolder });
    using primary = await join(fake);
    expect(primary.pid).toBeUndefined();
    expect(primary.groupsInUse()).toBeUndefined();
    await expectError(() => primary.group(7), "ERR_VFIO_GROUP_NOT_IN_USE", "cannot be looked at");
    expect((await primary.group(7, { allowUnused: true })).number).toBe(7);
  });

  it.each([-1, 1.5, 2 ** 31])("have no number %d", async (number) => {
    await using fake = await FakeDpdkPrimary.start();
    using primary = await join(fake);
    await expectError(() => primary.group(number), "ERR_VFIO_GROUP_NUMBER");
  });
});

describe("the fds", () => {
  it("are close-on-exec, and closed with the primary, after which nothing is asked any more", async () => {
    await using fake = await FakeDpdkPrimary.start();
    const primary = await join(fake);
    const container = await primary.container();
    const group = await primary.group(7);
    for (const { fd } of [container, group]) {
      const [, flags] = /^flags:\s+(\d+)/m.exec(kernel().readText(`/proc/self/fdinfo/${fd}`) as string) ?? [];
      expect(parseInt(flags!, 8) & 0o2000000).toBe(0o2000000);
    }
    primary.close();
    primary.close();
    expect([container.closed, group.closed, primary.closed]).toEqual([true, true, true]);
    for (const use of [() => primary.container(), () => primary.group(7), () => primary.groupsInUse()]) {
      await expectError(use, "ERR_VFIO_CLOSED", fake.directory);
    }
    await fake.told(3);
    expect(fake.asked).toHaveLength(2);
  });
});

describe("the death of a primary", () => {
  it("is noticed while nothing is asked", async () => {
    await using fake = await FakeDpdkPrimary.start();
    using primary = await join(fake);
    const container = await primary.container();
    const gone = once(primary.gone, "abort");
    await fake.kill("SIGKILL");
    await gone;
    expect(primary.gone.reason).toBeInstanceOf(VfioError);
    expect(container.closed).toBe(false);
    const text = `in ${fake.directory} (process ${fake.pid}) has ended`;
    expect(await expectError(() => primary.group(7), GONE, text)).toBe(primary.gone.reason);
  });

  it.each(["die", "end"])("halfway through a request (%s) ends it", async (behaviour) => {
    await using fake = await FakeDpdkPrimary.start({ behaviours: [behaviour] });
    using primary = await join(fake);
    await expectError(() => primary.container(), GONE);
    expect(fake.socketsLeft()).toEqual([]);
  });

  it("is noticed before a request is sent to a new primary, which might be of another version", async () => {
    await using fake = await FakeDpdkPrimary.start();
    const holder = { locked: true, pid: fake.pid };
    using _other = useKernel({ ...realKernel(), lockHolder: () => holder });
    using primary = await join(fake);
    holder.pid += 1;
    await expectError(() => primary.container(), GONE);
    expect(fake.asked).toEqual([]);
  });
});

describe("an fd that is refused while closing fails, too", () => {
  it("is refused with its reason, and what failed after it is told as well", async () => {
    await using fake = await FakeDpdkPrimary.start();
    const verify = (): never => {
      throw new VfioError("ERR_VFIO_WRONG_FD", "not that one");
    };
    using primary = await joinDpdkPrimary({ directory: fake.directory, verify });
    const { close } = realKernel();
    const failing = useKernel({ ...realKernel(), close: (fd) => (close(fd), -5) });
    const error = await errorOf(() => primary.container()).finally(() => failing[Symbol.dispose]());

    expect(error.code).toBe("ERR_VFIO_WRONG_FD");
    expect(error.message).toMatch(/^not that one; and undoing the earlier steps failed: cannot close/);
  });
});

describe("a new primary, which might be of another version, in the middle of a request", () => {
  type Change = (real: Kernel, onFirst: () => void) => Partial<Kernel>;
  const queueIsFull: Change = (_real, onFirst) => ({
    datagramSend: () => (onFirst(), -constants.errno.EAGAIN),
  });
  const whenAnswered: Change = (real, onFirst) => ({
    datagramReceive: (...args) => {
      const datagram = real.datagramReceive(...args);
      if (typeof datagram !== "number") onFirst();
      return datagram;
    },
  });

  it.each<[string, string[], number, Change]>([
    ["while the first one's queue is full", ["answer"], 0, queueIsFull],
    ["after the first one was not ready", ["not ready", "answer"], 1, whenAnswered],
  ])("%s is sent nothing", async (_name, behaviours, sent, change) => {
    await using fake = await FakeDpdkPrimary.start({ behaviours });
    const holder = { locked: true, pid: fake.pid };
    const real = kernel();
    const isReplaced = (): void => void (holder.pid = fake.pid + 1);
    using _changed = useKernel({ ...real, lockHolder: () => holder, ...change(real, isReplaced) });
    using primary = await join(fake);
    await expectError(() => primary.container(), GONE);
    await fake.told(1 + sent);
    expect(fake.asked).toHaveLength(sent);
  });
});

describe("the socket for the reply", () => {
  const OTHER_USER = process.getuid!() + 1;

  /** To give a file away is root's right, so the kernel only says it did; the real one is in the lab. */
  function ofAnotherUser(lchown: Kernel["lchown"]): Disposable {
    const real = kernel();
    const stat: Kernel["stat"] = (file) => {
      const status = real.stat(file);
      return typeof status === "number" ? status : { ...status, uid: OTHER_USER, gid: OTHER_USER };
    };
    return useKernel({ ...real, stat, lchown });
  }

  it("is given to the primary's user, who must be able to answer", async () => {
    await using fake = await FakeDpdkPrimary.start();
    const given: unknown[] = [];
    using _primaryIsAnothers = ofAnotherUser((...all) => (given.push(all), 0));
    using primary = await join(fake);
    await primary.container();
    await fake.told(2);
    expect(fake.asked).toMatchObject([{ mode: 0o600 }]);
    expect(given).toEqual([[fake.asked[0]?.peer, OTHER_USER, OTHER_USER]]);
  });

  it("stays ours when the primary is the same user's", async () => {
    await using fake = await FakeDpdkPrimary.start();
    const lchown = (): never => expect.fail("it was given away");
    using _watched = useKernel({ ...kernel(), lchown });
    using primary = await join(fake);
    expect((await primary.container()).closed).toBe(false);
  });

  it("is removed when its owner cannot be changed", async () => {
    await using fake = await FakeDpdkPrimary.start();
    using _primaryIsAnothers = ofAnotherUser(() => -constants.errno.EPERM);
    using primary = await join(fake);
    await expectError(() => primary.container(), "EPERM", `to the primary's user ${OTHER_USER}`);
    expect(fake.socketsLeft()).toEqual([]);
  });

  it("of a process that ends in the middle is gone", async () => {
    await using fake = await FakeDpdkPrimary.start({ behaviours: ["silent"] });
    await using child = new Child("joiner.mjs", fake.directory);
    await fake.told(2);
    expect(fake.socketsLeft()).toHaveLength(1);
    void child.tell("exit");
    expect(await child.ended).toEqual({ code: 3, signal: null });
    expect(fake.socketsLeft()).toEqual([]);
  });

  it.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
    "of a process ended by %s is removed by the next, which leaves those of the living alone",
    { timeout: 90_000 },
    async (signal) => {
      await using fake = await FakeDpdkPrimary.start({ behaviours: ["silent", "silent", "answer"] });
      await using killed = new Child("joiner.mjs", fake.directory);
      await fake.told(2);
      expect(await killed.kill(signal)).toEqual({ code: null, signal });
      const [stale] = fake.socketsLeft();
      await using _living = new Child("joiner.mjs", fake.directory);
      await fake.told(3);
      using bystander = DatagramSocket.bind(path.join(fake.directory, ".vfio_reply_of_somebody"));
      writeFileSync(path.join(fake.directory, "fbarray_memzone"), "");
      using primary = await join(fake);
      await primary.container();
      const left = fake.socketsLeft();
      expect(left).not.toContain(stale);
      expect(left).toHaveLength(2);
      expect(existsSync(bystander.path)).toBe(true);
      expect(readdirSync(fake.directory)).toContain("fbarray_memzone");
    },
  );

  it("needs a path that fits", async () => {
    const owner = { mode: 0o600, uid: 0, gid: 0, inode: 1 };
    await expectError(() => PrivateSocket.bind(`/tmp/${"x".repeat(80)}`, owner), "ERR_VFIO_SOCKET_PATH");
  });
});

describe("a directory that is no DPDK primary's", () => {
  const expectNone = async (
    directory: string,
    code: string = NO_PRIMARY,
    hint: string | null = "",
  ): Promise<string> => (await expectError(() => joinDpdkPrimary({ directory }), code, "", hint)).hint ?? "";

  it("of somebody's own: what lies beside it is not told, but for DPDK primaries", async () => {
    const folder = freshPath();
    mkdirSync(path.join(folder, "private"), { recursive: true });
    expect(await expectNone(path.join(folder, "mine"))).not.toContain("others");
    mkdirSync(path.join(folder, "pg1"));
    writeFileSync(path.join(folder, "pg1", "mp_socket"), "");
    await expectNone(path.join(folder, "mine"), NO_PRIMARY, "Other primaries here: pg1.");
  });

  it("whose config is a FIFO does not keep anybody waiting", async () => {
    const folder = freshPath();
    mkdirSync(folder);
    execFileSync("mkfifo", [path.join(folder, "config")]);
    await expectNone(folder);
  });

  it("but a file is told as no primary's", async () => {
    const file = freshPath();
    writeFileSync(file, "");
    await expectNone(file);
  });

  it.each([
    ["EACCES", "another user"],
    ["EMFILE", "ulimit -n"],
    ["EIO", null],
  ] as const)("whose config cannot be opened (%s): the hint follows from that", async (errno, hint) => {
    using _fails = useKernel({ ...kernel(), open: () => -constants.errno[errno] });
    await expectNone(freshPath(), errno, hint);
  });
});
