import { resultOfChild } from "./elsewhere.js";
import { withC } from "./c-program.js";

/** A system call that a filter answers: by its name, for one value of one argument if that is given. */
export interface FilteredCall {
  readonly call: string;
  readonly errno: number;
  readonly argument?: { readonly index: number; readonly value: number };
}

/** Runs ES module code in a process under a seccomp filter, as container runtimes set one; `vfio` is the built package. */
export function resultUnderFilter(calls: readonly FilteredCall[], code: string): unknown {
  return withC(launcher(calls), (file) => resultOfChild(code, {}, [file]));
}

function launcher(calls: readonly FilteredCall[]): string {
  return `
    #include <linux/filter.h>
    #include <linux/seccomp.h>
    #include <stddef.h>
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #define DATA(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
    #define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
    #define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
    int main(int argc, char** argv) {
      struct sock_filter program[] = { ${calls.map(instructions).join("\n")} ANSWER(SECCOMP_RET_ALLOW) };
      struct sock_fprog filter = { sizeof program / sizeof *program, program };
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return 126;
      execv(argv[1], argv + 1);
      return 127;
    }`;
}

function instructions({ call, errno, argument }: FilteredCall): string {
  const answer = `ANSWER(SECCOMP_RET_ERRNO | ${errno}),`;
  if (argument === undefined) return `DATA(nr), UNLESS(SYS_${call}, 1), ${answer}`;
  const { index, value } = argument;
  return `DATA(nr), UNLESS(SYS_${call}, 3), DATA(args[${index}]), UNLESS(${value}, 1), ${answer}`;
}
