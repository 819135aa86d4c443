import { openGround } from "../ground.ts";
import type { Control, Proof, Report, Settings } from "../proof.ts";
import { refuseOthers } from "../settings.ts";
import type { Findings } from "./book.ts";
import { judge, rowsOf } from "./judge.ts";
import { tellRows } from "./tell.ts";
import { type Plan, runTrial } from "./trial.ts";

const usual: Plan = { desks: 100, changes: 100, kills: 60, processes: 4, fails: true, leaseSeconds: null };
const short: Plan = { ...usual, desks: 40, changes: 25, kills: 10, leaseSeconds: 8 };

/** Its receiver never fails, so that whatever is lost was lost by a kill. */
const wrongPlan: Plan = {
  desks: 40,
  changes: 10,
  kills: 5,
  processes: 2,
  fails: false,
  leaseSeconds: 8,
  program: ["proof/webhooks/wrong/worker.ts"],
};

/** Processes that send webhooks are killed again and again. */
export const proveWebhooks: Proof = async ({ settings, say, undo }) => {
  const { plan, hasControl } = planOf(settings);
  say("starting a database");
  const ground = await openGround(undo);
  const findings = plan === null ? null : await runTrial(ground, plan, { say, undo });
  if (!hasControl) return report(plan, findings, []);
  say("the same with a build that is wrong on purpose");
  const { lost } = judge(await runTrial(ground, wrongPlan, { say, undo }));
  return report(plan, findings, [
    { build: "notes a message as delivered before it sends it", promise: lost },
  ]);
};

function planOf({ only, short: isShort, kills, ...others }: Settings) {
  refuseOthers("webhooks", { only, ...others }, ["killed", "control"]);
  const isChosen = (name: string): boolean => only.length === 0 || only.includes(name);
  const plan = isShort ? short : usual;
  return {
    plan: isChosen("killed") ? { ...plan, kills: kills ?? plan.kills } : null,
    hasControl: isChosen("control"),
  };
}

function report(plan: Plan | null, findings: Findings | null, controls: readonly Control[]): Report {
  const rows = findings === null ? [] : rowsOf(findings);
  return {
    title: "Processes that send webhooks are killed again and again",
    facts: findings === null || plan === null ? [] : factsOf(plan, findings),
    tables: findings === null ? [] : [tellRows(rows)],
    promises: findings === null ? [] : Object.values(judge(findings)),
    controls,
    data: { kills: findings?.kills ?? null, seconds: findings?.seconds ?? null, events: rows },
  };
}

function factsOf({ processes, desks }: Plan, findings: Findings): readonly string[] {
  const { kills, failed, hungUp, seconds } = findings;
  return [
    `${kills} kills among ${processes} processes, while ${desks} endpoints were told; ${Math.round(seconds)} s in all`,
    `${failed} messages were answered with 500, ${hungUp} with nothing`,
  ];
}
