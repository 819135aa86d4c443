import type { Control, Proof, Report, Settings } from "../proof.ts";
import { refuseOthers } from "../settings.ts";
import { harmOf, judgeOff, judgeOn, type Row, rowOf } from "./judge.ts";
import { checkOut } from "./older.ts";
import { tellRows } from "./tell.ts";
import { runTrial, type Trial } from "./trial.ts";
import type { Way } from "./way.ts";
import { chainLock } from "./ways/chain-lock.ts";
import { clockLanes } from "./ways/clock-lanes.ts";
import { keyStall } from "./ways/key-stall.ts";
import { nonceTurns } from "./ways/nonce-turns.ts";
import { recordSearch } from "./ways/record-search.ts";

const ways: readonly Way[] = [keyStall, nonceTurns, clockLanes, recordSearch, chainLock];

/** Long enough for a thousand calls of the victim. */
const usualSeconds = 45;
const shortSeconds = 10;

/** One tenant attacks in every way that is known, while another works. */
export const proveBulkheads: Proof = async ({ settings, say, undo }) => {
  const { chosen, quietSeconds } = planOf(settings);
  const older = settings.against === undefined ? null : await checkOut(settings.against, undo);
  const rows: Row[] = [];
  const run = async (trial: Omit<Trial, "quietSeconds">): Promise<void> => {
    const [quiet, attacked] = await runTrial({ ...trial, quietSeconds }, say);
    rows.push(rowOf(quiet, null), rowOf(attacked, quiet));
  };
  for (const way of chosen) {
    if (older !== null) await run({ way, program: [older], defence: "against" });
    else await withAndWithout(way, run);
  }
  return report(rows, settings.against);
};

async function withAndWithout(
  way: Way,
  run: (trial: Omit<Trial, "quietSeconds">) => Promise<void>,
): Promise<void> {
  await run({ way, program: ["src/main.ts"], defence: "on" });
  const disarmed = way.flaw === null ? ["src/main.ts"] : ["proof/bulkheads/wrong/service.ts", way.flaw];
  const [path = "", ...argv] = disarmed;
  await run({ way, program: [path, ...argv], defence: "off" });
}

function planOf({ only, short, against: _against, ...others }: Settings) {
  const names = ways.map(({ name }) => name);
  refuseOthers("bulkheads", { only, ...others }, names);
  const chosen = ways.filter(({ name }) => only.length === 0 || only.includes(name));
  return { chosen, quietSeconds: short ? shortSeconds : usualSeconds };
}

function report(rows: readonly Row[], against: string | undefined): Report {
  const of = (defence: Row["defence"]): readonly Row[] => rows.filter((row) => row.defence === defence);
  return {
    title: "One tenant attacks while another works",
    facts: ways.map(({ name, does, first, second }) => `${name}: ${does}; first ${first}, then ${second}`),
    tables: tellRows(rows),
    promises: against === undefined ? [...judgeOn(of("on")), ...judgeOff(of("off"))] : [],
    controls: of("against").map((row): Control => ({
      build: `is of commit ${against}`,
      promise: harmOf(row),
    })),
    data: { runs: rows },
  };
}
