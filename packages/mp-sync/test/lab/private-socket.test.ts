import { lstatSync, mkdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { kernel, useKernel } from "@vfio/ioctl-native";
import { NOBODY } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { PrivateSocket } from "../../src/dpdk/private-socket.js";
import { expectNoFdLeft } from "../support/fds.js";
import { freshPath, useFolder } from "../support/folder.js";

useFolder();
expectNoFdLeft();

const owner = { mode: 0o600, uid: NOBODY, gid: NOBODY, inode: 1 };

describe("given a process of root's and a primary of another user, then the socket for the reply", () => {
  function runtimeDirectory(): string {
    const directory = freshPath();
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  }

  it("belongs to that user", () => {
    using reply = PrivateSocket.bind(runtimeDirectory(), owner);
    expect(lstatSync(reply.socket.path)).toMatchObject({ uid: NOBODY, gid: NOBODY });
    expect(lstatSync(reply.socket.path).mode & 0o777).toBe(0o600);
  });

  it("is given away without following a link that the user has put in its place", () => {
    const victim = freshPath();
    writeFileSync(victim, "");
    const real = kernel();
    using _attacked = useKernel({
      ...real,
      socketBind: (fd, file) => {
        const bound = real.socketBind(fd, file);
        unlinkSync(file);
        symlinkSync(victim, file);
        return bound;
      },
    });
    using reply = PrivateSocket.bind(runtimeDirectory(), owner);
    expect(lstatSync(reply.socket.path).uid).toBe(NOBODY);
    expect(statSync(victim).uid).toBe(0);
  });
});
