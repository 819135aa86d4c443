import type { Ground } from "../ground.ts";
import { type Killed, look, use } from "./condition.ts";
import type { Cut, Findings, Found } from "./findings.ts";
import { killRound, type Rehearsed } from "./kill-round.ts";
import { repeat, settle } from "./settle.ts";

/** Kills processes at every point of all these works, `rounds` times, and lets the clock settle what each round leaves. */
export async function runTrial(
  ground: Ground,
  all: readonly Rehearsed[],
  rounds: number,
  say: (line: string) => void,
): Promise<Findings> {
  const findings: { cuts: Cut[]; rounds: Findings["rounds"][number][] } = { cuts: [], rounds: [] };
  for (let round = 1; round <= rounds; round += 1) {
    const processes = await killRound(ground, all);
    const killed = processes.flat();
    const before = await look(ground, killed);
    const settled = await settle(ground);
    const after = await lookAgain(ground, killed);
    for (const [index, one] of killed.entries())
      findings.cuts.push(await conclude(ground, one, before[index], after[index]));
    findings.rounds.push({ processes: processes.length, ...settled });
    if (round % 5 === 0 || round === rounds)
      say(`round ${round} of ${rounds}: ${findings.cuts.length.toLocaleString("en")} pieces of work cut off`);
  }
  return findings;
}

async function lookAgain(ground: Ground, killed: readonly Killed[]): Promise<readonly Found[]> {
  const again: Killed[] = [];
  for (const one of killed) again.push({ ...one, secret: await use(ground, one) });
  return look(ground, again);
}

async function conclude(
  ground: Ground,
  one: Killed,
  before: Found | undefined,
  after: Found | undefined,
): Promise<Cut> {
  if (before === undefined || after === undefined) throw new Error("all of them were looked at");
  const { work, effect, point } = one;
  const { store, scenario } = work;
  const repeated = await repeat(ground, one, after);
  return { store, scenario, effect, ...point, before, after, repeated };
}
