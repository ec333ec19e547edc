import { errnoOf, realKernel, useKernel, type Kernel } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { pageHint, type WantedPages } from "../src/memory/page-hints.js";

const TWO_MIB = 2 << 20;
const EMPTY = 4;
const HUGE: WantedPages = { bytes: EMPTY * TWO_MIB, pageBytes: TWO_MIB };
const ORDINARY: WantedPages = { bytes: 8192, pageBytes: 4096 };
const POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const NODE = (node: number): string => `/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB`;

interface Machine {
  /** Pages of 2 MiB: reserved, free, promised; and of each node: reserved, free. */
  readonly pool?: readonly [number, number, number];
  readonly nodes?: readonly (readonly [number, number])[];
  readonly files?: Readonly<Record<string, string | number>>;
  readonly kernel?: Partial<Kernel>;
}

function useMachine({ pool = [256, 256, 0], nodes = [], files = {}, kernel = {} }: Machine): Disposable {
  const [reserved, free, promised] = pool;
  const texts: Record<string, string | number> = {
    [`${POOL}/nr_hugepages`]: `${reserved}\n`,
    [`${POOL}/free_hugepages`]: `${free}\n`,
    [`${POOL}/resv_hugepages`]: `${promised}\n`,
    ...Object.fromEntries(
      nodes.flatMap(([kept, unused], node) => [
        [`${NODE(node)}/nr_hugepages`, `${kept}\n`],
        [`${NODE(node)}/free_hugepages`, `${unused}\n`],
      ]),
    ),
    ...files,
  };
  const list = (path: string): string[] | number => {
    if (path === "/sys/devices/system/node") return nodes.map((_, node) => `node${node}`);
    return path === "/sys/kernel/mm/hugepages" ? ["hugepages-2048kB", "hugepages-1048576kB"] : -2;
  };
  return useKernel({ ...realKernel(), readText: (path) => texts[path] ?? -2, list, ...kernel });
}

/** A hugetlbfs that was mounted with size= for so many pages, or without for 0. */
function mountOf(blocks: number, freeBlocks: number): Partial<Kernel> {
  return { filesystem: () => ({ type: 0x958458f6, blockBytes: TWO_MIB, blocks, freeBlocks }) };
}

function hintOf(syscall: string, code: Parameters<typeof errnoOf>[0], wanted = HUGE): string | undefined {
  return pageHint({ syscall, errno: errnoOf(code) }, wanted);
}

const KUBERNETES = {
  "/proc/self/cgroup": "0::/\n",
  "/proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
};

describe("given too few hugepages", () => {
  it("as many are advised as there are, and those that lack: never fewer", () => {
    using _machine = useMachine({ pool: [8, 3, 1] });

    const hint = hintOf("mmap", "ENOMEM");

    expect(hint).toContain("Hugepages of 2048 KiB: 8 reserved, 2 free, 4 needed");
    expect(hint).toContain(`Reserve more: echo 10 > ${POOL}/nr_hugepages`);
  });

  it("of one NUMA node, its own pool is to grow", () => {
    using _machine = useMachine({
      pool: [300, 290, 0],
      nodes: [
        [290, 289],
        [10, 1],
      ],
    });

    const hint = hintOf("madvise", "ENOMEM", { ...HUGE, numaNode: 1 });

    expect(hint).toContain("(node 0: 290 reserved, 289 free; node 1: 10 reserved, 1 free)");
    expect(hint).toContain(`Reserve more: echo 13 > ${NODE(1)}/nr_hugepages`);
  });

  it("of a node with enough, where others were promised all that is free: so many more", () => {
    using _machine = useMachine({ pool: [10, 8, 7], nodes: [[10, 8]] });

    const hint = hintOf("mmap", "ENOMEM", { ...HUGE, numaNode: 0 });

    expect(hint).toContain(`echo 13 > ${NODE(0)}/nr_hugepages`);
  });
});

describe("given enough free hugepages and a limit in the way", () => {
  it.each([
    ["of version 2", "hugetlb.2MB.max", "hugetlb.2MB.current", KUBERNETES],
    ["of version 2, on reservations", "hugetlb.2MB.rsvd.max", "hugetlb.2MB.rsvd.current", KUBERNETES],
    [
      "of version 1",
      "hugetlb.2MB.limit_in_bytes",
      "hugetlb.2MB.usage_in_bytes",
      {
        "/proc/self/cgroup": "7:hugetlb:/pod\n0::/\n",
        "/proc/self/mountinfo": "31 23 0:28 /pod /sys/fs/cgroup rw - cgroup cgroup rw,hugetlb\n",
      },
    ],
  ])(
    "a cgroup %s: it is named with its limit and use, and nobody is told to reserve",
    (_what, limit, used, where) => {
      using _machine = useMachine({
        files: {
          ...where,
          [`/sys/fs/cgroup/${limit}`]: `${6 * TWO_MIB}\n`,
          [`/sys/fs/cgroup/${used}`]: `${3 * TWO_MIB}\n`,
        },
      });

      const hint = hintOf("madvise", "ENOMEM");

      expect(hint).toContain("256 reserved, 256 free, 4 needed");
      expect(hint).toContain("allows 12582912 bytes of them, 6291456 are in use, 8388608 are needed");
      expect(hint).toContain(`(/sys/fs/cgroup/${limit})`);
      expect(hint).toContain("hugepages-2Mi");
      expect(hint).not.toContain("echo");
    },
  );

  it("a cgroup with room enough is not named", () => {
    using _machine = useMachine({
      pool: [2, 2, 0],
      files: {
        ...KUBERNETES,
        "/sys/fs/cgroup/hugetlb.2MB.max": `${7 * TWO_MIB}\n`,
        "/sys/fs/cgroup/hugetlb.2MB.current": `${3 * TWO_MIB}\n`,
      },
    });

    expect(hintOf("mmap", "ENOMEM")).not.toContain("cgroup");
  });

  it("pages of 1 GiB have a limit of their own", () => {
    const pageBytes = 2 ** 30;
    const files = {
      ...KUBERNETES,
      "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "4\n",
      "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages": "4\n",
      "/sys/kernel/mm/hugepages/hugepages-1048576kB/resv_hugepages": "0\n",
      "/sys/fs/cgroup/hugetlb.1GB.max": `${pageBytes}\n`,
      "/sys/fs/cgroup/hugetlb.1GB.current": "0\n",
    };
    using _machine = useMachine({ files });

    const hint = hintOf("mmap", "ENOMEM", { bytes: 2 * pageBytes, pageBytes });

    expect(hint).toContain("/sys/fs/cgroup/hugetlb.1GB.max");
    expect(hint).toContain("hugepages-1Gi");
  });

  it("a mount's size= is named with what it has", () => {
    using _machine = useMachine({ kernel: mountOf(5, 3) });

    const hint = hintOf("mmap", "ENOMEM", { ...HUGE, directory: "/mnt/huge" });

    expect(hint).toContain("/mnt/huge is mounted with size= for 5 pages, 3 of them free");
    expect(hint).not.toContain("echo");
  });

  it("a mount without size= is not", () => {
    using _machine = useMachine({ pool: [0, 0, 0], kernel: mountOf(0, 0) });

    expect(hintOf("mmap", "ENOMEM", { ...HUGE, directory: "/mnt/huge" })).not.toContain("size=");
  });

  it("one that cannot be seen is what remains: nobody is told to reserve", () => {
    using _machine = useMachine({});

    const hint = hintOf("madvise", "ENOMEM");

    expect(hint).toContain("the pool is large enough");
    expect(hint).not.toContain("echo");
  });
});

describe("given another call or errno", () => {
  it.each([
    ["memfd_create", "EMFILE", HUGE, "ulimit -n"],
    ["open", "ENFILE", HUGE, "ulimit -n"],
    ["memfd_create", "EPERM", HUGE, "seccomp"],
    ["memfd_create", "ENOSYS", HUGE, "{ directory }"],
    ["memfd_create", "EACCES", ORDINARY, "vm.memfd_noexec"],
    ["memfd_create", "ENODEV", { bytes: 65536, pageBytes: 65536 }, "it has 4096, 2097152, 1073741824"],
    ["ftruncate", "EFBIG", HUGE, "ulimit -f"],
    ["open", "EACCES", { ...HUGE, directory: "/mnt/huge" }, "chown it, or mount it with uid="],
    ["open", "EROFS", { ...HUGE, directory: "/mnt/huge" }, "remount,rw /mnt/huge"],
    ["open", "ENOSPC", { ...HUGE, directory: "/mnt/huge" }, "nr_inodes="],
    ["mbind", "EPERM", ORDINARY, "CAP_SYS_NICE"],
    ["mbind", "ENOSYS", ORDINARY, "CONFIG_NUMA"],
  ] as const)(
    "%s that fails with %s has the remedy for that, and no word of reserving",
    (syscall, code, wanted, words) => {
      using _machine = useMachine({});

      expect(hintOf(syscall, code, wanted)).toContain(words);
      expect(hintOf(syscall, code, wanted)).not.toMatch(/reserve/i);
    },
  );

  it("mbind's EINVAL names the nodes that the process may use", () => {
    using _machine = useMachine({
      files: { "/proc/self/status": "Name:\tnode\nMems_allowed_list:\t0,2-3\n" },
    });

    expect(hintOf("mbind", "EINVAL", { ...ORDINARY, numaNode: 1 })).toContain(
      "its cpuset allows the nodes 0,2-3",
    );
  });

  it.each([
    ["memfd_create", "ENOMEM", HUGE],
    ["memfd_create", "ENODEV", HUGE],
    ["memfd_create", "EINVAL", ORDINARY],
    ["ftruncate", "EINVAL", HUGE],
    ["fcntl", "EPERM", HUGE],
    ["unlink", "EROFS", HUGE],
    ["open", "EIO", HUGE],
    ["mbind", "EIO", HUGE],
    ["mbind", "EINVAL", HUGE],
    ["mmap", "EACCES", HUGE],
    ["mmap", "ENOMEM", ORDINARY],
    ["madvise", "ENOMEM", ORDINARY],
    ["madvise", "EHWPOISON", HUGE],
  ] as const)("%s that fails with %s has none: nothing follows from it", (syscall, code, wanted) => {
    using _machine = useMachine({});

    expect(pageHint({ syscall, errno: code === "EHWPOISON" ? -133 : errnoOf(code) }, wanted)).toBe(undefined);
  });
});
