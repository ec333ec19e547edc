import { check, errnoOf, type SystemCallContext } from "../errors/errors.js";
import { Fd } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import type { SocketKind } from "../kernel/system-calls.js";
import { orUndo } from "../lifecycle/run-all.js";

/** The remedy for an errno, if there is one. */
export type HintOfErrno = (errno: number) => string | undefined;

export interface SocketPurpose {
  readonly kind: SocketKind;
  readonly path: string;
  /** "cannot connect to /run/…" */
  readonly what: string;
  readonly name: string;
  readonly hint?: HintOfErrno | undefined;
}

/** Makes a socket and binds or connects it. The error names the failed call; nothing is left behind. */
export function socketAfter(
  purpose: SocketPurpose,
  syscall: "bind" | "connect",
  call: (fd: number) => number,
): Fd {
  const { kind, path, what, name, hint } = purpose;
  const made = check(kernel().socket(kind), (errno) => ({
    syscall: "socket",
    what,
    hint: fdLimitHint(errno),
  }));
  const socket = new Fd(made, name);
  orUndo(
    () => check(call(made), aboutPath(syscall, what, path, hint)),
    () => socket.close(),
  );
  return socket;
}

/**
 * A socket with a file, whose mode is 0600 from its first moment: bind() copies the mode of the socket's inode, set
 * before; a chmod afterwards would leave a gap.
 */
export function boundSocket(purpose: SocketPurpose): Fd {
  const { path, what } = purpose;
  return socketAfter(purpose, "bind", (fd) => {
    check(kernel().chmod(fd, 0o600), aboutPath("fchmod", what, path));
    return kernel().socketBind(fd, path);
  });
}

export function aboutPath(
  syscall: string,
  what: string,
  path: string,
  hint?: HintOfErrno,
): (errno: number) => SystemCallContext {
  return (errno) => ({ syscall, what, path, hint: () => hint?.(errno) });
}

export function fdLimitHint(errno: number): string | undefined {
  if (errno === errnoOf("EMFILE")) return "Close some, or raise the limit: ulimit -n";
  if (errno === errnoOf("ENFILE"))
    return "The system has none left: close some, or raise the limit: sysctl fs.file-max";
  return undefined;
}
