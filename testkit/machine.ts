import { cpus, loadavg, release, totalmem, type as systemName } from "node:os";

/** What the figures were measured on: without it they say nothing. */
export type Machine = Readonly<{
  cpu: string;
  cores: number;
  memory_gib: number;
  system: string;
  node: string;
  /** Processes that wanted to run in the minute before; above zero, others were at work too. */
  load_before: number;
  at: string;
}>;

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    system: `${systemName()} ${release()}`,
    node: process.version,
    load_before: Number((loadavg()[0] ?? 0).toFixed(2)),
    at: new Date().toISOString(),
  };
}

export function formatMachine(machine: Machine): string {
  const { cpu, cores, memory_gib, system, node, load_before, at } = machine;
  return `${cores} × ${cpu}, ${memory_gib} GiB, ${system}, Node ${node}, load ${load_before} before the run, ${at}\n`;
}
