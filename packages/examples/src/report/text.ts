import pc from "picocolors";
import type { Facts, PipelineEvent, Role } from "../pipeline/events.js";
import { pipelineWentWell, type Phase, type ReportDocument } from "./document.js";
import { fittedTable } from "./fitted-table.js";
import type { Terminal } from "./terminal.js";

type Colors = ReturnType<typeof pc.createColors>;

export class TextReport {
  readonly #write: (text: string) => void;
  readonly #color: Colors;
  readonly #columns: number | undefined;
  #role: Role | undefined;

  constructor(write: (text: string) => void, { colors, columns }: Terminal) {
    this.#write = write;
    this.#color = pc.createColors(colors);
    this.#columns = columns;
  }

  heading(text: string): void {
    this.#line(this.#color.bold(text));
  }

  phase({ title, ms }: Phase): void {
    this.#line(`  ${this.#color.green("✓")}    ${title} ${this.#color.dim(duration(ms))}`);
  }

  event(event: PipelineEvent): void {
    if (event.event === "listening") return;
    if (event.role !== this.#role) this.#line(`\n${this.#color.bold(event.role)}`);
    this.#role = event.role;
    this.#line(this.#eventLine(event));
  }

  summary(document: ReportDocument): void {
    this.#line(`\n${summaryTable(document.events, this.#color, this.#columns)}`);
    const verdict = pipelineWentWell(document.events)
      ? this.#color.green("The whole pipeline ran: ten steps, DMA, two processes, one device.")
      : this.#color.red("The pipeline did not run to its end.");
    this.#line(
      `${verdict} ${this.#color.dim(`${document.where}, ${document.kernel}, ${duration(document.totalMs)} in all`)}`,
    );
  }

  #eventLine(event: Exclude<PipelineEvent, { event: "listening" }>): string {
    const number = "number" in event ? String(event.number).padStart(2) : "  ";
    switch (event.event) {
      case "step": {
        const facts = describeFacts(event.facts);
        const line = `  ${this.#color.green("✓")} ${number} ${event.title} ${this.#color.dim(duration(event.ms))}`;
        return facts === "" ? line : `${line}\n         ${this.#color.dim(facts)}`;
      }
      case "left-out":
        return `  ${this.#color.yellow("–")} ${number} ${event.title}: left out, ${event.reason}`;
      case "failed":
        return `  ${this.#color.red("✗")} ${number} ${event.title}\n         ${this.#color.red(event.error.message)}`;
    }
  }

  #line(text: string): void {
    this.#write(`${text}\n`);
  }
}

export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function describeFacts(facts: Facts): string {
  return Object.entries(facts)
    .filter(([, value]) => !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name} ${Array.isArray(value) ? shorten(value) : String(value)}`)
    .join(" · ");
}

/** Long lists are whole only in the JSON report. */
function shorten(list: readonly string[]): string {
  const more = list.length > 3 ? `, and ${list.length - 3} more` : "";
  return list.slice(0, 3).join(", ") + more;
}

function summaryTable(events: readonly PipelineEvent[], color: Colors, columns: number | undefined): string {
  const rows = events
    .filter((event) => event.event !== "listening")
    .map((event) => [
      "number" in event ? String(event.number) : "",
      event.role,
      event.title,
      verdictOf(event, color),
      event.event === "step" ? duration(event.ms) : "",
    ]);
  return fittedTable(["", "process", "step", "result", "time"], rows, 2, columns);
}

function verdictOf(event: Exclude<PipelineEvent, { event: "listening" }>, color: Colors): string {
  if (event.event === "failed") return color.red("failed");
  if (event.event === "left-out") return color.yellow("left out");
  const { answer } = event.facts;
  return color.green(typeof answer === "string" ? `answered ${answer}` : "done");
}
