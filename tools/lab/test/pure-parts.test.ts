import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConsoleLog } from "../src/guest/console-log.js";
import { controlReader, parseControlLine, type ControlMessage } from "../src/guest/control-line.js";
import { cpioArchive } from "../src/kernel/cpio.js";
import { devicesForVfio, labDevices } from "../src/machine/devices.js";
import { commandScript, guestEnvironment, keptPaths, settingsScript } from "../src/guest/job.js";
import { Hotplug, parseHotplugLine, qmpCommand } from "../src/machine/hotplug.js";
import { kernelArguments } from "../src/kernel/kernel-arguments.js";
import { compressedKernel } from "../src/kernel/kernel-image.js";
import { chooseKernelPackage, compareVersions, releaseOfPackage } from "../src/kernel/kernel-package.js";
import { parseShowDepends } from "../src/kernel/modules.js";
import { optionRom } from "../src/machine/option-rom.js";
import { readRequest } from "../src/run/run-in-lab.js";
import { qemuArguments } from "../src/machine/qemu-arguments.js";
import { shellCommand, shellQuote } from "../src/guest/shell-quote.js";

describe("choosing the kernel package", () => {
  const depends = (...names: string[]) =>
    ["linux-image-6.12-amd64", ...names.map((name) => `  Depends: ${name}`)].join("\n");

  test("from apt-cache depends", () => {
    expect(chooseKernelPackage(depends("linux-image-6.12.117+deb12-amd64"))).toBe(
      "linux-image-6.12.117+deb12-amd64",
    );
    expect(
      chooseKernelPackage(depends("linux-image-6.12.9-1-amd64", "linux-image-6.12.63+deb13-amd64")),
    ).toBe("linux-image-6.12.63+deb13-amd64");
  });

  test.each([
    "linux-image-6.12.9+deb12-cloud-amd64",
    "linux-image-6.12.9+deb12-rt-amd64",
    "linux-image-6.1.0-47-amd64",
    "linux-base",
  ])("never %s", (name) => expect(chooseKernelPackage(depends(name))).toBeUndefined());

  test("nothing from an apt that knows nothing", () => expect(chooseKernelPackage("")).toBeUndefined());

  test("the release and the order of versions", () => {
    expect(releaseOfPackage("linux-image-6.12.117+deb12-amd64")).toBe("6.12.117+deb12-amd64");
    expect(["6.12.117", "6.12.9", "6.12.57"].sort(compareVersions)).toEqual([
      "6.12.9",
      "6.12.57",
      "6.12.117",
    ]);
  });
});

describe("QEMU's command line", () => {
  const plan = {
    machine: {},
    accelerator: "tcg" as const,
    kernelImage: "/c/vmlinux",
    initrd: "/c/initrd",
    jobDirectory: "/s/job,1",
    sockets: { stdout: "/s/stdout", control: "/s/control" },
  };
  const line = (more: object = {}) => qemuArguments({ ...plan, ...more }).join(" ");

  test("has the IOMMU, the read-only root and every device at its address", () => {
    expect(line()).toContain("intel-iommu,intremap=on,caching-mode=on,aw-bits=39");
    expect(line()).toMatch(/local,id=host,path=\/,security_model=none,multidevs=remap,readonly=on/);
    expect(line()).not.toContain("mount_tag=output");
    for (const { qemu } of labDevices()) expect(line()).toContain(`-device ${qemu}`);
    expect(line()).toContain("edu,addr=10.0,dma_mask=0xffffffffffffffff");
  });

  test("has QEMU's own monitor on a channel that is no port of the guest's", () => {
    const text = line({ sockets: { monitor: "/s/monitor", hotplug: "/s/hotplug" } });
    expect(text).toContain("socket,id=monitor,path=/s/monitor -mon chardev=monitor,mode=control");
    expect(text).toContain("virtserialport,chardev=hotplug,nr=4");
    expect(text).not.toContain("virtserialport,chardev=monitor");
  });

  test("doubles commas in paths", () => {
    expect(line()).toContain("path=/s/job,,1,");
    expect(line()).toMatch(/virtio-rng-pci,\S+,romfile=\/s\/job,,1\/option\.rom /);
  });

  test("follows the machine's options", () => {
    const machine = {
      iommuAddressBits: 48 as const,
      hugepages2M: 64,
      hugepages1G: 2,
      extraDevices: ["edu,addr=16.0"],
    };
    expect(line({ machine })).toContain("aw-bits=48");
    expect(line({ machine })).toContain("-m 5760M");
    expect(line({ machine })).toContain("-device edu,addr=16.0");
    expect(line({ machine: { memory: "8G" } })).toContain("-m 8G");
    expect(line({ machine: { memory: "5G", numaNodes: 2 } })).toMatch(
      /memory-backend-ram,id=node1,size=2560M -numa node,nodeid=1,cpus=1,memdev=node1/,
    );
    expect(line({ machine: { memory: "4g", numaNodes: 2 } })).toContain("id=node0,size=2048M");
    expect(() => line({ machine: { memory: "1.5G", numaNodes: 2 } })).toThrow("1.5G cannot be halved");
    expect(line({ machine: { accessLog: "/s/a.log" } })).toContain(
      "-D /s/a.log -trace memory_region_ops_read",
    );
    expect(line({ accelerator: "kvm" })).toContain("-accel kvm -cpu host");
    expect(line({ outputDirectory: "/o" })).toContain(
      "local,id=output,path=/o,security_model=none,multidevs=remap -device",
    );
  });

  test("the kernel reserves hugepages of each size", () => {
    expect(kernelArguments({})).toContain("default_hugepagesz=2M hugepagesz=2M hugepages=256 ");
    expect(kernelArguments({ hugepages1G: 1, hugepages2M: 0 })).toContain(
      "default_hugepagesz=2M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=0 ",
    );
    expect(kernelArguments({ extraKernelArguments: ["vfio_pci.enable_sriov=1"] })).toMatch(
      /vfio_pci\.enable_sriov=1$/,
    );
  });
});

describe("quoting", () => {
  const throughShell = (words: readonly string[]) =>
    execFileSync("sh", ["-c", `printf '%s\\0' ${shellCommand(words)}`])
      .toString()
      .split("\0")
      .slice(0, -1);

  test("any words come out of a shell as they went in", () => {
    const word = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
        // A lone surrogate has no UTF-8 form; every system call would replace it.
        const encodable = words.map((text) => Buffer.from(text).toString());
        expect(throughShell(encodable)).toEqual(encodable);
      }),
      { numRuns: 50 },
    );
  });

  test("a NUL is refused", () => expect(() => shellQuote("a\0b")).toThrow(TypeError));

  test("the command script keeps directory, environment and words", () => {
    const env = { PATH: process.env.PATH ?? "", "odd.name": "it's $HOME" };
    const run = (...command: string[]) =>
      execFileSync("sh", ["-c", commandScript({ cwd: "/", env, command })]).toString();
    expect(run("env")).toContain("odd.name=it's $HOME\n");
    expect(run("sh", "-c", 'pwd; printf "<%s>" "$@"', "sh", "a b", "*", "")).toBe("/\n<a b><*><>");
  });

  test("a program with = in its name is not taken for a variable", () => {
    expect(commandScript({ cwd: "/", env: {}, command: ["./a=b", "c"] })).toContain(
      `'sh' '-c' 'exec "$0" "$@"' './a=b' 'c'`,
    );
  });
});

describe("the job", () => {
  const job = {
    command: ["true"],
    cwd: "/tmp/a b/c",
    shows: ["/run/d"],
    env: {},
    modules: "/m",
    hasOutput: true,
  };

  test("settings name the devices and the folders to keep visible", () => {
    const script = settingsScript(job);
    expect(script).toContain(`LAB_VFIO_DEVICES='${devicesForVfio().join(" ")}'`);
    expect(
      execFileSync("sh", [
        "-c",
        `${script}for_each_kept_path echo; echo $LAB_MODE $LAB_HAS_OUTPUT`,
      ]).toString(),
    ).toBe("/tmp/a b\n/run/d\ncommand yes\n");
  });

  test("only what is below /tmp, /run and /dev/shm needs keeping", () => {
    expect(keptPaths(["/run/x/y", "/tmp/z", "/run/x", "/dev/shm/a b/c"])).toEqual([
      "/run/x",
      "/tmp/z",
      "/dev/shm/a b",
    ]);
    expect(keptPaths(["/tmp", "/", "/tmpfoo/a", "/home/me", "/dev/shm", "/dev/vfio"])).toEqual([]);
  });

  test("PATH leads to the running Node.js, in front unless it did so before", () => {
    const folder = path.dirname(process.execPath);
    const pathOf = (host: string) => guestEnvironment({ PATH: host }, {}, false)["PATH"];
    expect(pathOf("/run/link:/bin/x")).toBe(`${folder}:/run/link:/bin/x`);
    expect(pathOf(`/a:${folder}`)).toBe(`/a:${folder}`);
  });

  test("the program and the running Node.js are shown, without links; a name is left to PATH", async () => {
    const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), "lab-program-")));
    symlinkSync(process.execPath, path.join(folder, "link"));
    writeFileSync(path.join(folder, "program"), "");
    const shown = async (program: string) => (await readRequest([program], { cwd: folder })).shows;
    const node = realpathSync(process.execPath);

    expect(await shown("program")).toEqual([node]);
    expect(await shown("./program")).toEqual([node, path.join(folder, "program")]);
    expect(await shown(path.join(folder, "link"))).toEqual([node, node]);
    expect(await shown("/no/such/program")).toEqual([node]);
    rmSync(folder, { recursive: true });
  });

  test("the environment is the host's few, ours, and the caller's on top", () => {
    expect(guestEnvironment({ PATH: "/p", SECRET: "s", HOME: "/h" }, { PATH: "/q", A: "1" }, false)).toEqual({
      PATH: "/q",
      HOME: "/h",
      VFIO_LAB: "1",
      A: "1",
    });
    expect(guestEnvironment({}, {}, true)).toHaveProperty("LAB_OUTPUT", "/run/vfio-lab/output");
  });
});

describe("control lines", () => {
  test.each<[string, ControlMessage | undefined]>([
    ["ready 3.25", { type: "ready", uptimeMs: 3250 }],
    ["exit 137", { type: "exit", code: 137 }],
    ["fail insmod /modules/100-x.ko", { type: "fail", what: "insmod /modules/100-x.ko" }],
    ["exit", undefined],
    ["exit x", undefined],
    ["hello", undefined],
  ])("%s", (line, message) => expect(parseControlLine(line)).toEqual(message));

  test("are put together from any chunks", () => {
    const seen: ControlMessage[] = [];
    const read = controlReader((message) => seen.push(message));
    for (const character of "ready 1\nnoise\r\nexit 0\r\nexit 1") read(Buffer.from(character));
    expect(seen).toEqual([
      { type: "ready", uptimeMs: 1000 },
      { type: "exit", code: 0 },
    ]);
  });
});

describe("hotplug", () => {
  test.each([
    ...[
      "plug edu",
      "unplug nothing",
      "unplug toString",
      "toString errorRng",
      "unplug",
      "device_del hotplugEdu",
      "",
    ],
    ...["fatal-error e1000e", "nonfatal-error hotplugEdu", "unplug errorRng", "fatal-error errorRng DLP"],
  ])("cannot be asked for: %s", (line) => expect(parseHotplugLine(line)).toBeUndefined());

  test.each([
    ["nonfatal-error", "POISON_TLP"],
    ["fatal-error", "MALF_TLP"],
  ])("%s is one of PCI Express's errors, for the monitor", (verb, error) => {
    expect(qmpCommand(parseHotplugLine(`${verb} errorRng`)!)).toEqual({
      execute: "human-monitor-command",
      arguments: { "command-line": `pcie_aer_inject_error errorRng ${error}` },
    });
  });

  test("what the monitor prints for people is an error unless it says OK", () => {
    const sent: string[] = [];
    const hotplug = new Hotplug((_, text) => sent.push(text));
    for (const answer of [
      "OK id: errorRng root bus: pcie.0, bus: 3 devfn: 0.0\r\n",
      "no such device\r\nand more",
      "",
    ])
      hotplug.fromMonitor(Buffer.from(`${JSON.stringify({ return: answer, id: "guest" })}\r\n`));

    expect(sent).toEqual(["ok\n", "error no such device\n", "error \n"]);
  });

  test("what is unplugged goes by its name; what is plugged is as on QEMU's command line", () => {
    const command = (line: string) => qmpCommand(parseHotplugLine(line)!);
    expect(command("unplug hotplugEdu")).toEqual({
      execute: "device_del",
      arguments: { id: "hotplugEdu" },
    });
    expect(command("plug hotplugEdu")).toEqual({
      execute: "device_add",
      arguments: { driver: "edu", id: "hotplugEdu", bus: "hotplugPort" },
    });
  });

  test("the guest gets the monitor's answers to its own requests, and no other messages", () => {
    const sent: string[] = [];
    const hotplug = new Hotplug((port, text) => sent.push(`${port} ${text.trim()}`));
    const say = (...messages: object[]) =>
      messages.forEach((message) => hotplug.fromMonitor(Buffer.from(`${JSON.stringify(message)}\r\n`)));

    say({ QMP: {} }, { return: {} });
    hotplug.fromGuest(Buffer.from("unplug hotpl"));
    hotplug.fromGuest(Buffer.from("ugEdu\nunplug disk\n"));
    say({ event: "DEVICE_DELETED" }, { return: {}, id: "guest" }, { error: { desc: "why" }, id: "guest" });

    expect(sent).toEqual([
      'monitor {"execute":"qmp_capabilities"}',
      'monitor {"execute":"device_del","arguments":{"id":"hotplugEdu"},"id":"guest"}',
      'hotplug error cannot do "unplug disk"',
      "hotplug ok",
      "hotplug error why",
    ]);
  });
});

describe("a device that was unplugged and is not gone yet", () => {
  /** What went to the monitor and to the guest, in short. */
  function watched() {
    const sent: string[] = [];
    const hotplug = new Hotplug((port, text) => {
      const { execute } = (port === "monitor" ? JSON.parse(text) : {}) as { execute?: string };
      sent.push(execute ?? text.trim());
    });
    const ask = (line: string) => hotplug.fromGuest(Buffer.from(`${line}\n`));
    const say = (message: object) => hotplug.fromMonitor(Buffer.from(`${JSON.stringify(message)}\r\n`));
    return { sent, ask, say };
  }
  const ok = { return: {}, id: "guest" };
  const refused = { error: { desc: "no" }, id: "guest" };
  const gone = (device?: string) => ({ event: "DEVICE_DELETED", data: { device, path: "/machine/x" } });

  test("is plugged in when QEMU says that it is gone, and not before", () => {
    const { sent, ask, say } = watched();
    ask("unplug hotplugEdu");
    say(ok);
    ask("plug hotplugEdu");
    for (const other of [gone(), gone("another")]) say(other);
    expect(sent).toEqual(["device_del", "ok"]);

    say(gone("hotplugEdu"));
    say(ok);
    expect(sent).toEqual(["device_del", "ok", "device_add", "ok"]);
    ask("plug hotplugEdu");
    expect(sent.at(-1)).toBe("device_add");
  });

  test("leaves still when it is unplugged again; not when it was refused the first time", () => {
    const twice = watched();
    for (const answer of [ok, refused]) {
      twice.ask("unplug hotplugEdu");
      twice.say(answer);
    }
    twice.ask("plug hotplugEdu");
    expect(twice.sent).toEqual(["device_del", "ok", "device_del", "error no"]);

    const never = watched();
    never.ask("unplug hotplugEdu");
    never.say(refused);
    never.ask("plug hotplugEdu");
    expect(never.sent).toEqual(["device_del", "error no", "device_add"]);
  });
});

describe("the expansion ROM", () => {
  test("has header, data structure and checksum, and its words differ", () => {
    const rom = Buffer.from(optionRom());
    const structure = rom.subarray(rom.readUInt16LE(0x18));

    expect(rom.readUInt16LE(0)).toBe(0xaa55);
    expect([rom[2]! * 512, structure.readUInt16LE(0x10) * 512]).toEqual([rom.length, rom.length]);
    expect(structure.toString("latin1", 0, 4)).toBe("PCIR");
    expect(structure.toString("hex", 4, 8)).toBe("f41a4410");
    expect(structure[0x15]).toBe(0x80);
    expect(rom.reduce((sum, byte) => sum + byte, 0) % 256).toBe(0);
    const words = new Uint32Array(optionRom().buffer).subarray(13);
    expect(new Set(words).size).toBe(words.length);
  });
});

describe("the console", () => {
  test("keeps the last lines, clean", () => {
    const log = new ConsoleLog();
    log.append(Buffer.from("\u001bc\u001b[?7l\u001b[2Jone\r\ntwo\r\nthree\r\n"));
    expect(log.tail(2)).toBe("two\nthree");
    expect(log.panic).toBeUndefined();
  });

  test("after a panic shows the lines around it: the kernel tells the cause before, such as an oops", () => {
    const log = new ConsoleLog();
    log.append(Buffer.from("boot\r\nBUG: NULL pointer\r\nRIP: f\r\n"));
    log.append(Buffer.from("[ 1.0] Kernel panic - not syncing: why\r\nCPU: 0\r\nx\r\n"));
    expect(log.panic).toBe("why");
    expect(log.tail(2)).toBe("BUG: NULL pointer\nRIP: f\n[ 1.0] Kernel panic - not syncing: why\nCPU: 0");
  });
});

describe("files for the guest", () => {
  test("modprobe's answer gives the files in order", () => {
    expect(
      parseShowDepends("builtin virtio_pci\ninsmod /a b/netfs.ko.xz \ninsmod /a b/9p.ko opt=1\n"),
    ).toEqual(["/a b/netfs.ko.xz", "/a b/9p.ko"]);
  });

  test("the kernel inside a bzImage is found; anything else is left alone", () => {
    const image = Buffer.alloc(4096);
    image.write("HdrS", 0x202, "latin1");
    image.writeUInt8(1, 0x1f1);
    image.writeUInt32LE(16, 0x248);
    image.writeUInt32LE(20, 0x24c);
    expect(compressedKernel(image)).toBeUndefined();
    image.writeUInt32BE(0x28b52ffd, 1024 + 16);
    expect(compressedKernel(image)).toMatchObject({ program: "zstd", bytes: { length: 16 } });
    expect(compressedKernel(Buffer.alloc(10))).toBeUndefined();
  });

  test("the archive has folders before files, aligned to four bytes", () => {
    const archive = cpioArchive([{ path: "a/b/c", mode: 0o755, content: Buffer.from("hello") }], ["empty"]);
    const text = archive.toString("latin1");
    const order = ["empty\0", "a\0", "a/b\0", "a/b/c\0", "TRAILER!!!\0"].map((name) => text.indexOf(name));
    expect(order).toEqual([...order].sort((x, y) => x - y));
    expect(order).not.toContain(-1);
    expect(archive.length % 4).toBe(0);
    expect(text.match(/070701/g)).toHaveLength(5);
  });
});
