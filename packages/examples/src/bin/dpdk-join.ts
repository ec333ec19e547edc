import { LAB_DEVICES } from "@vfio/lab";
import { Command } from "commander";
import type { ReportDocument } from "../report/document.js";
import { runAndReport } from "../report/run-and-report.js";
import { duration } from "../report/text.js";
import { runProgramInTheLab } from "../run-on/lab.js";

/** `npm run example:dpdk-join`: a Node.js process beside a live DPDK primary, in the lab. */
const command = new Command("npm run example:dpdk-join --")
  .description(
    "Start Debian's dpdk-testpmd on the lab's network card, join it from Node.js, read the card's registers while DPDK polls it, and leave.",
  )
  .option("--json", "print only one JSON document: every step with its facts and times")
  .addHelpText(
    "after",
    "\nExit code: 0 if every step went well, 1 if one failed, 128 + n after signal n: 130 after Ctrl-C.",
  );
command.parse();

const { json = false } = command.opts<{ json?: boolean }>();
const device = LAB_DEVICES.e1000e;
process.exitCode = await runAndReport({
  json,
  where: "lab",
  device: device.bdf,
  run: (watch) => {
    watch.onHeading(`Device ${device.bdf} (e1000e) of the lab, driven by dpdk-testpmd`);
    return runProgramInTheLab(
      { device, file: "dpdk-join-main.js", args: [device.bdf], extras: ["dpdk"] },
      watch,
    );
  },
  wentWell: (events) => !events.some(({ event }) => event === "failed"),
  summary: (text, document) => text.heading(`\n${verdict(document)}`),
});

function verdict({ ok, kernel, totalMs }: ReportDocument): string {
  const result = ok ? "Node.js read the card beside DPDK, and DPDK went on." : "It did not run to its end.";
  return `${result} lab, ${kernel}, ${duration(totalMs)} in all`;
}
