import { findProgram, type Program } from "../../testkit/cluster/program.ts";
import type { Control, Proof, Report, Settings } from "../proof.ts";
import { refuseOthers } from "../settings.ts";
import { type FaultName, faultNames, type Findings } from "./events.ts";
import { type HaPromises, judge, stretchesOf, sumUp } from "./judge.ts";
import { openSite } from "./site.ts";
import { tellStretches } from "./tell.ts";
import { type Build, type Plan, runTrial } from "./trial.ts";

const usualKills = 5;
const usualSeconds = 10;
const usualCopiesAgeMs = 310_000;
const downMs = 8000;

const wrong = (...flaws: readonly string[]): Build => ["proof/ha/wrong/service.ts", ...flaws];

/** Three processes with one or two flaws each, so that a single trial breaks every promise that is watched. */
const wrongPlan: Plan = {
  faults: ["all-killed"],
  calmMs: 3000,
  copiesAgeMs: 0,
  frozenMs: 0,
  downMs,
  builds: {
    writes: wrong("acknowledges-early", "repeats-orders"),
    reads: wrong("remembers-versions", "repeats-orders"),
  },
  cachedBuild: wrong("keeps-no-copies"),
  // On a busy machine little happens in a few seconds.
  enough: ({ events, orders }) => orders.length >= 20 && events.some(({ outcome }) => outcome === "stale"),
};

const wrongPromises: readonly (readonly [keyof HaPromises, build: string])[] = [
  ["writes", "acknowledges a write before it is committed, and never reads it back"],
  ["reads", "remembers which version a credential has"],
  ["copies", "keeps no copies"],
  ["twice", "sends an order again when the answer is lost"],
];

/** The store's leader is lost while secrets are read and written and orders flow. */
export const proveAvailability: Proof = async ({ settings, say, undo }) => {
  const plan = planOf(settings);
  const program = findProgram(settings.program);
  say(`starting three nodes of ${program.product} ${program.version}`);
  const site = await openSite(program, { say, undo });
  const findings = plan.faults.length === 0 ? null : await runTrial(site, plan, say);
  if (!plan.hasControl) return report(program, findings, []);
  say("the same with builds that are wrong on purpose");
  const found = judge(await runTrial(site, wrongPlan, say));
  return report(
    program,
    findings,
    wrongPromises.map(([name, build]): Control => ({ build, promise: found[name] })),
  );
};

function planOf({
  only,
  short,
  seconds,
  kills,
  against,
  seed,
}: Settings): Plan & Readonly<{ hasControl: boolean }> {
  refuseOthers("ha", { only, against, seed }, [...faultNames, "control"]);
  const isChosen = (name: string): boolean => only.length === 0 || only.includes(name);
  const times = (name: FaultName): number =>
    name === "leader-killed" ? (kills ?? (short ? 1 : usualKills)) : 1;
  const chosen = faultNames.filter(isChosen);
  return {
    faults: chosen.flatMap((name) => Array.from({ length: times(name) }, () => name)),
    calmMs: (seconds ?? (short ? 2 : usualSeconds)) * 1000,
    copiesAgeMs: short ? 0 : usualCopiesAgeMs,
    frozenMs: short ? 10_000 : 30_000,
    downMs,
    builds: { writes: undefined, reads: undefined },
    hasControl: isChosen("control"),
  };
}

function report(
  { product, version }: Program,
  findings: Findings | null,
  controls: readonly Control[],
): Report {
  const stretches = findings === null ? [] : stretchesOf(findings);
  const copies = findings?.lookUps;
  return {
    title: "The store's leader is lost while secrets are read and written and orders flow",
    facts: [
      `${product} ${version}: three nodes on this machine, with TLS and auto-unseal; Keyhold in two processes`,
      ...(copies === undefined
        ? []
        : [
            `reads served from fresh copies ${copies.fresh}, from copies in grace ${copies.grace}, from the store ${copies.store}`,
          ]),
    ],
    tables: stretches.length === 0 ? [] : tellStretches(stretches),
    promises: findings === null ? [] : Object.values(judge(findings)),
    controls,
    data: { store: { product, version }, look_ups: copies ?? null, after: [...stretches, sumUp(stretches)] },
  };
}
