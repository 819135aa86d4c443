import { until } from "../../testkit/until.ts";
import type { Chance } from "./chance.ts";
import type { Kind, Planned } from "./kinds.ts";
import { isRunning, listProcesses, type Process } from "./processes.ts";
import type { Supervisor } from "./supervisor.ts";

/** What one kill did. */
export type Struck = Pick<Planned, "kind"> &
  Readonly<{
    /** Whether the start after it was killed, too. */
    alsoAtStart: boolean;
    /** Whether the service ended or worked again, where its postmaster alone was killed; `null` for other kinds. */
    hasSettled: boolean | null;
    /** Processes in which a service that died had talked to venues, and those of them that outlived it. */
    venueProcesses: number;
    leftBehind: number;
    /** From the kill until a service answered again; `null` where none was started any more. */
    downSeconds: number | null;
  }>;

/** For what has lost its parent to end. */
const patienceMs = 20_000;

/** Kills, and starts the service again where it ended. */
export async function strike(
  supervisor: Supervisor,
  { kind, startKilledAtMs }: Planned,
  chance: Chance,
): Promise<Struck> {
  const venueProcesses = await supervisor.venueProcesses();
  const began = performance.now();
  const hasSettled = await kill(supervisor, kind, chance);
  const isAlive = supervisor.origin !== null;
  const alsoAtStart = !isAlive && startKilledAtMs !== null;
  if (alsoAtStart) await supervisor.startAndKill(startKilledAtMs);
  const serves = isAlive || (await supervisor.start());
  const downSeconds = serves ? (performance.now() - began) / 1000 : null;
  const orphaned = isAlive ? [] : venueProcesses;
  return {
    kind,
    alsoAtStart,
    hasSettled,
    venueProcesses: orphaned.length,
    leftBehind: await countLeft(orphaned),
    downSeconds,
  };
}

async function kill(supervisor: Supervisor, kind: Kind, chance: Chance): Promise<boolean | null> {
  const postmaster = await supervisor.postmaster();
  if (kind === "service and backend") await killBackend(postmaster, chance);
  if (kind === "postmaster") {
    process.kill(postmaster, "SIGKILL");
    return supervisor.endsOrRecovers(postmaster);
  }
  await supervisor.killService();
  // Its parent is this process by now, which does not wait for it: the dead one stays in the list of processes.
  if (kind === "service and postmaster") process.kill(postmaster, "SIGKILL");
  return null;
}

/** PostgreSQL ends all its other connections when one of them dies so. */
async function killBackend(postmaster: number, chance: Chance): Promise<void> {
  const backends = (await listProcesses()).filter(
    ({ parent, command }) => parent === postmaster && command.includes("[local]"),
  );
  const victim = chance.pick(backends);
  if (victim === undefined) throw new Error("a service that works has connections");
  process.kill(victim.pid, "SIGKILL");
}

async function countLeft(processes: readonly Process[]): Promise<number> {
  let left = 0;
  for (const { pid } of processes) {
    const hasEnded = await until(
      "a venue process to end",
      async () => ((await isRunning(pid)) ? null : true),
      patienceMs,
    ).catch(() => false);
    if (!hasEnded) left += 1;
  }
  return left;
}
