import type { PipelineEvent } from "../pipeline/events.js";
import { Reporter } from "../pipeline/reporter.js";
import { waitForLink } from "./e1000e-registers.js";
import { joinDpdk, registerFacts } from "./join.js";
import { Testpmd } from "./testpmd.js";

export interface DpdkJoinOptions {
  readonly bdf: string;
  readonly prefix: string;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PipelineEvent) => void;
}

/**
 * Starts `dpdk-testpmd` on a network card, joins it, reads the card's registers before and after DPDK has sent a burst,
 * leaves, and lets testpmd show that it works as before.
 * @throws StepFailed, with the error as its cause.
 */
export async function runDpdkJoin({ bdf, prefix, signal, onEvent }: DpdkJoinOptions): Promise<void> {
  const dpdk = new Reporter("primary", onEvent);
  const guest = new Reporter("secondary", onEvent);
  await using testpmd = await dpdk.task(
    "start dpdk-testpmd on the card",
    () => Testpmd.start({ bdf, prefix, signal }),
    ({ pid = 0 }) => ({ bdf, pid }),
  );
  await joinDpdk({ bdf, prefix, signal }, guest, async (registers) => {
    await guest.task(
      "read the card's registers",
      async () => {
        await waitForLink(registers, signal);
        return registerFacts(registers);
      },
      (read) => read,
    );
    await dpdk.task("let DPDK send a burst, and poll the port from then on", () =>
      testpmd.command("start tx_first"),
    );
    await guest.task(
      "read them again, while DPDK polls",
      () => registerFacts(registers),
      (read) => read,
    );
  });
  await dpdk.task(
    "go on after its guest has left",
    async () => (await testpmd.command("show port info 0")) + (await testpmd.command("show port stats 0")),
    portFacts,
  );
  await dpdk.task(
    "end dpdk-testpmd",
    async () => endedWell(await testpmd.quit()),
    (status) => ({ status }),
  );
}

function portFacts(text: string): { mac: string; link: string; sent: string } {
  const find = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? "not shown";
  return {
    mac: find(/MAC address: (\S+)/).toLowerCase(),
    link: find(/Link status: (\S+)/),
    sent: find(/TX-packets: (\d+)/),
  };
}

function endedWell(status: number | string): number {
  if (status === 0) return status;
  throw new Error(`dpdk-testpmd ended with ${status}`);
}
