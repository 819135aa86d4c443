import { type Ground, openGround, storeChoices } from "../ground.ts";
import type { Control, Proof, Report, Settings } from "../proof.ts";
import { refuseOthers } from "../settings.ts";
import type { Findings } from "./findings.ts";
import type { FlawName } from "./flaws.ts";
import { type CrashPromises, judge, pointsIn, rowsOf } from "./judge.ts";
import { type Rehearsed, rehearseAll } from "./kill-round.ts";
import type { Work } from "./processes.ts";
import { type Scenario, scenarioNames } from "./scenarios.ts";
import { tellRows } from "./tell.ts";
import { runTrial } from "./trial.ts";

const usualRounds = 25;
const shortRounds = 2;
const controlRounds = 2;

type WrongBuild = Readonly<{ flaw: FlawName; scenario: Scenario; does: string; breaks: keyof CrashPromises }>;

const wrongBuilds: readonly WrongBuild[] = [
  {
    flaw: "activates-early",
    scenario: "rotate",
    does: "puts a version in force before it writes it",
    breaks: "working",
  },
  {
    flaw: "destroys-early",
    scenario: "rotate-at-once",
    does: "destroys the old version before the new one is in force",
    breaks: "working",
  },
  {
    flaw: "writes-unannounced",
    scenario: "register",
    does: "writes to the store what no intent tells of",
    breaks: "orphans",
  },
];

/** Processes of Keyhold are killed at every effect of what they do. */
export const proveCrashes: Proof = async ({ settings, say, undo }) => {
  const { scenarios, rounds, hasControl } = planOf(settings);
  say("starting a database");
  const ground = await openGround(undo);
  const works = scenarios.flatMap((scenario) =>
    storeChoices.map((store): Work => ({ scenario, store, flaw: null })),
  );
  const rehearsed = await rehearseAll(ground, works);
  say(`${works.length} kinds of work, ${rounds} rounds`);
  const findings = works.length === 0 ? null : await runTrial(ground, rehearsed, rounds, say);
  const controls = hasControl ? await runControls(ground, say) : [];
  return report(rehearsed, findings, controls);
};

function planOf({ only, short, kills, ...others }: Settings) {
  refuseOthers("crash", { only, ...others }, [...scenarioNames, "control"]);
  const isChosen = (name: string): boolean => only.length === 0 || only.includes(name);
  return {
    scenarios: scenarioNames.filter(isChosen),
    rounds: kills ?? (short ? shortRounds : usualRounds),
    hasControl: isChosen("control"),
  };
}

async function runControls(ground: Ground, say: (line: string) => void): Promise<readonly Control[]> {
  const controls: Control[] = [];
  for (const { flaw, scenario, does, breaks } of wrongBuilds) {
    say(`the same with a build that ${does}`);
    const works = storeChoices.map((store): Work => ({ scenario, store, flaw }));
    const found = await runTrial(ground, await rehearseAll(ground, works), controlRounds, () => undefined);
    controls.push({ build: does, promise: judge(found)[breaks] });
  }
  return controls;
}

function report(
  rehearsed: readonly Rehearsed[],
  findings: Findings | null,
  controls: readonly Control[],
): Report {
  const rows = findings === null ? [] : rowsOf(findings.cuts);
  return {
    title: "Processes are killed at every effect of registering and rotating",
    facts: findings === null ? [] : factsOf(findings),
    tables: findings === null ? [] : [tellRows(rows)],
    promises: findings === null ? [] : Object.values(judge(findings)),
    controls,
    data: {
      rounds: findings?.rounds ?? [],
      works: rows,
      effects: rehearsed.map(({ work: { scenario, store }, effects }) => ({ scenario, store, effects })),
    },
  };
}

function factsOf({ cuts, rounds }: Findings): readonly string[] {
  const processes = rounds.reduce((sum, round) => sum + round.processes, 0);
  const longest = Math.max(...rounds.map(({ seconds }) => seconds));
  const uses = cuts.filter(({ before }) => before.secret !== "none").length;
  const [points, cutOff] = [pointsIn(cuts), cuts.length.toLocaleString("en")];
  return [
    `${processes} processes killed with ${cutOff} writers, who stood at ${points} points, ${rounds.length} times at each`,
    `${uses.toLocaleString("en")} uses right after a kill; the reconciler took ${longest.toFixed(1)} s at most for what a round left`,
  ];
}
