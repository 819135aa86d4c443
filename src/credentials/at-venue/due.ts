import { sql } from "kysely";
import type { Custody } from "../custody.ts";
import { each, type Tally } from "../tally.ts";
import { begin } from "./begin.ts";
import { step } from "./step.ts";

type Due = Readonly<{ tenant_id: string; id: string }>;

const mostAtOnce = 200;

/** Begins what schedules want by now. */
export async function beginDue(custody: Custody): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.due_schedules(${mostAtOnce})`.execute(custody.db);
  return each(rows, ({ tenant_id, id }) => begin(custody, tenant_id, id));
}

/** Takes every step at a venue that is due, one after the other: two for one sub-account would be in each other's way. */
export async function stepDue(custody: Custody): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.due_venue_rotations(${mostAtOnce})`.execute(custody.db);
  return each(rows, ({ tenant_id, id }) => step(custody, tenant_id, id));
}
