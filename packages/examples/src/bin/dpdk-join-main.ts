import { runDpdkJoin } from "../dpdk/run-dpdk-join.js";
import { runAsProcess } from "../pipeline/run-as-process.js";

/** A DPDK primary and its guest on this machine: `node dist/dpdk-join-main.js <BDF> [PREFIX]`. Needs `dpdk-testpmd`. */
const [bdf = "", prefix = "vfio-example"] = process.argv.slice(2);
await runAsProcess("secondary", (report, signal) =>
  runDpdkJoin({ bdf, prefix, signal, onEvent: (event) => report.emit(event) }),
);
