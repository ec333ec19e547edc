import { describe, expect, it } from "vitest";
import { errnoOf, realKernel, useKernel } from "../src/index.js";
import { cgroupLimits } from "../src/internal.js";
import { CGROUP2, memoryCgroup, useFiles } from "./support/fake-files.js";

const MIB = 2 ** 20;
const FILES = [
  { limit: "memory.max", used: "memory.current" },
  { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes" },
];
const limits = (): string[] => cgroupLimits("memory", FILES).map(({ file }) => file);

describe("given cgroups of version 2", () => {
  it("every limit counts, from the process's own cgroup up to the root; what has none is left out", () => {
    using _files = useFiles({
      ...CGROUP2,
      ...memoryCgroup("/sys/fs/cgroup/pods.slice/pod 7/app", { max: 64, current: 10 }),
      ...memoryCgroup("/sys/fs/cgroup/pods.slice/pod 7", { max: "max", current: 11 }),
      ...memoryCgroup("/sys/fs/cgroup/pods.slice", { max: 32, current: 12 }),
      ...memoryCgroup("/sys/fs/cgroup/elsewhere", { max: 1, current: 1 }),
    });

    expect(cgroupLimits("memory", FILES)).toEqual([
      { file: "/sys/fs/cgroup/pods.slice/pod 7/app/memory.max", bytes: 64 * MIB, used: 10 * MIB },
      { file: "/sys/fs/cgroup/pods.slice/memory.max", bytes: 32 * MIB, used: 12 * MIB },
    ]);
  });

  it("in a container, the mounted folder is its own cgroup", () => {
    using _files = useFiles({
      "/proc/self/cgroup": "0::/docker/4f2a\n",
      "/proc/self/mountinfo": "31 23 0:28 /docker/4f2a /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
      ...memoryCgroup("/sys/fs/cgroup", { max: 64, current: 10 }),
    });

    expect(limits()).toEqual(["/sys/fs/cgroup/memory.max"]);
  });

  it("a process outside of its namespace's root is held to what is mounted", () => {
    using _files = useFiles({
      ...CGROUP2,
      "/proc/self/cgroup": "0::/../other\n",
      ...memoryCgroup("/sys/fs/cgroup", { max: 64, current: 10 }),
    });

    expect(limits()).toEqual(["/sys/fs/cgroup/memory.max"]);
  });
});

describe("given cgroups of version 1, and version 2 beside them for other controllers", () => {
  const mounts = [
    "40 1 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    "35 31 0:32 /docker/4f2a /sys/fs/cgroup/my\\040memory rw - cgroup cgroup rw,memory",
    "36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct",
  ];

  it("the controller's own hierarchy counts, and the largest number stands for no limit", () => {
    using _files = useFiles({
      "/proc/self/cgroup": "4:cpu,cpuacct:/\n3:memory:/docker/4f2a/inner\n0::/\n",
      "/proc/self/mountinfo": mounts.join("\n"),
      "/sys/fs/cgroup/my memory/inner/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/my memory/inner/memory.usage_in_bytes": "4096\n",
      "/sys/fs/cgroup/my memory/memory.limit_in_bytes": "1048576\n",
      "/sys/fs/cgroup/my memory/memory.usage_in_bytes": "8192\n",
      ...memoryCgroup("/sys/fs/cgroup/unified", { max: 1, current: 0 }),
    });

    expect(cgroupLimits("memory", FILES)).toEqual([
      { file: "/sys/fs/cgroup/my memory/memory.limit_in_bytes", bytes: MIB, used: 8192 },
    ]);
  });
});

describe("given a machine that does not tell", () => {
  it.each([
    ["no /proc", {}],
    ["no mounted cgroup", { "/proc/self/cgroup": CGROUP2["/proc/self/cgroup"] }],
    ["odd lines", { "/proc/self/cgroup": "x\n\n:", "/proc/self/mountinfo": "\nx - y\n - cgroup2" }],
  ])("%s: there is no limit", (_what, files) => {
    using _files = useFiles(files);

    expect(limits()).toEqual([]);
  });

  it("files that cannot be read are no limit, and no error", () => {
    using _kernel = useKernel({ ...realKernel(), readText: () => errnoOf("EMFILE") });

    expect(limits()).toEqual([]);
  });
});
