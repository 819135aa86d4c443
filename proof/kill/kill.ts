import { randomInt } from "node:crypto";
import type { Control, Proof, Report, Settings, Stage } from "../proof.ts";
import { refuseOthers } from "../settings.ts";
import { Chance } from "./chance.ts";
import { judge, type KillPromises, rowsOf } from "./judge.ts";
import { planKills, type Planned } from "./kinds.ts";
import { adoptOrphans } from "./orphans.ts";
import { openSite, type Program } from "./site.ts";
import { tellRows } from "./tell.ts";
import { type Findings, type Plan, runTrial } from "./trial.ts";

const usualKills = 30;
const shortKills = 4;
const highestSeed = 9999;

const usual = { calmMs: [3000, 8000], opened: 200 } as const;
const short = { calmMs: [2000, 3000], opened: 60 } as const;

const killed = (kind: Planned["kind"], times: number): readonly Planned[] =>
  Array.from({ length: times }, () => ({ kind, calmMs: short.calmMs[0], startKilledAtMs: null }));

type WrongBuild = Readonly<{
  program: Program;
  kills: readonly Planned[];
  does: string;
  breaks: keyof KillPromises;
}>;

const wrong = (flaw: string): Program => ["proof/kill/wrong/service.ts", flaw];

const wrongBuilds: readonly WrongBuild[] = [
  {
    program: wrong("notes-answers-late"),
    kills: killed("service", 6),
    does: "notes the answer to a write after the commit of its change",
    breaks: "repeats",
  },
  {
    program: wrong("refuses-zombies"),
    kills: killed("service and postmaster", 1),
    does: "mistakes a zombie postmaster for a running one",
    breaks: "starts",
  },
];

/** Service, postmaster and connections are killed again and again under clients that repeat what was not answered. */
export const proveKills: Proof = async ({ settings, say, undo }) => {
  const { plan, seed, hasControl } = planOf(settings);
  await adoptOrphans();
  say(`seed ${seed}`);
  const findings = plan === null ? null : await runTrial(await openSite(undo), plan, new Chance(seed), say);
  const controls = hasControl ? await runControls(new Chance(seed), { say, undo }) : [];
  return report(seed, findings, controls);
};

function planOf({ only, short: isShort, kills, seed: given, ...others }: Settings) {
  refuseOthers("kill", { only, ...others }, ["killed", "control"]);
  const isChosen = (name: string): boolean => only.length === 0 || only.includes(name);
  const seed = given ?? randomInt(1, highestSeed + 1);
  const { calmMs, opened } = isShort ? short : usual;
  const planned = planKills(kills ?? (isShort ? shortKills : usualKills), calmMs, new Chance(seed));
  const plan: Plan | null = isChosen("killed") ? { kills: planned, opened } : null;
  return { plan, seed, hasControl: isChosen("control") };
}

async function runControls(chance: Chance, { say, undo }: Pick<Stage, "say" | "undo">) {
  const controls: Control[] = [];
  for (const { program, kills, does, breaks } of wrongBuilds) {
    say(`the same with a build that ${does}`);
    const site = await openSite(undo, program);
    const found = judge(await runTrial(site, { kills, opened: short.opened }, chance, say));
    await site.supervisor.stop();
    controls.push({ build: does, promise: found[breaks] });
  }
  return controls;
}

function report(seed: number, findings: Findings | null, controls: readonly Control[]): Report {
  const rows = findings === null ? [] : rowsOf(findings.struck);
  return {
    title: "Service, database and connections are killed under clients that repeat",
    facts: [`seed ${seed}`, ...(findings === null ? [] : factsOf(findings))],
    tables: findings === null ? [] : [tellRows(rows)],
    promises: findings === null ? [] : Object.values(judge(findings)),
    controls,
    data: {
      seed,
      kinds: rows,
      repeats: findings?.ledger.repeats ?? [],
      refusals: findings?.ledger.refusals ?? [],
      concluded: findings?.concluded ?? null,
      seconds: findings?.seconds ?? null,
    },
  };
}

function factsOf({ ledger, starts, concluded, seconds }: Findings): readonly string[] {
  const { entries, writes, reveals, repeats, refusals } = ledger;
  const refused = [
    ...repeats.flatMap(({ what, code }) => (code === null ? [] : [`${what} ${code}`])),
    ...refusals,
  ];
  const words = starts.flatMap(({ refusal }) => (refusal === null ? [] : [refusal]));
  const [written, shown] = [writes.toLocaleString("en"), reveals.toLocaleString("en")];
  return [
    `${written} writes and ${shown} reveals of ${entries.length} credentials; ${Math.round(seconds)} s in all`,
    `${repeats.length} writes had no answer; ${concluded?.orphansBefore ?? 0} orphans before the reconciler came by`,
    ...(refused.length === 0 ? [] : [`refused: ${[...new Set(refused)].join(", ")}`]),
    ...new Set(words),
  ];
}
