import { sql } from "kysely";
import type { Tally } from "../../db/tally.ts";
import type { Custody } from "../custody.ts";
import { byTenant, doRound } from "../round.ts";
import { begin } from "./begin.ts";
import { step } from "./step.ts";

type Due = Readonly<{ tenant_id: string; id: string }>;

type DueStep = Due & Readonly<{ parent_id: string; venue: string }>;

const mostAtOnce = 200;
/** A round ends before the next begins, but for the steps that are under way. */
const roundMs = 45_000;

/**
 * One parent key takes one step at a time: two for one sub-account would be in each other's way. A venue or a tenant whose steps take
 * long leaves room for the others.
 */
const stepRound = {
  atOnce: 24,
  bounds: [
    { word: ({ parent_id }: DueStep) => `parent ${parent_id}`, atOnce: 1 },
    { word: ({ venue }: DueStep) => `venue ${venue}`, atOnce: 8 },
    byTenant(2),
  ],
  roundMs,
};

/** Begins what schedules want by now. */
export async function beginDue(custody: Custody): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.due_schedules(${mostAtOnce})`.execute(custody.db);
  return doRound(rows, ({ tenant_id, id }) => begin(custody, tenant_id, id), {
    atOnce: 2,
    bounds: [byTenant(1)],
    roundMs,
  });
}

/** Takes the steps at venues that are due, as many as the round has time for. */
export async function stepDue(custody: Custody): Promise<Tally> {
  const { rows } = await sql<DueStep>`select * from clock.due_venue_rotations(${mostAtOnce})`.execute(
    custody.db,
  );
  return doRound(rows, ({ tenant_id, id }) => step(custody, tenant_id, id), stepRound);
}
