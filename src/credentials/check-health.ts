import { sql } from "kysely";
import { system } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { consult, type Consulted } from "./consult.ts";
import type { Custody } from "./custody.ts";
import { each, type Tally } from "./tally.ts";

/** A credential that the venue is to be asked about. */
export type DueCheck = Readonly<{ tenant_id: string; id: string; venue: string }>;

/** Asks the venue about a credential for its health. Throws what `openSecret` throws, for one that was frozen meanwhile, say. */
export async function checkHealth(
  custody: Custody,
  { tenant_id, id }: Pick<DueCheck, "tenant_id" | "id">,
): Promise<Consulted> {
  const target = { id, need: "validate", revision: null, purpose: "health" } as const;
  return consult(custody, system(tenant_id, "check-health"), target);
}

/** Credentials whose check is due, the longest due first. */
export async function dueChecks(db: Db, most: number): Promise<readonly DueCheck[]> {
  const { rows } = await sql<DueCheck>`select * from clock.due_checks(${most})`.execute(db);
  return rows;
}

/** Credentials that were not checked since a moment, due or not. */
export async function uncheckedSince(db: Db, moment: Date, most: number): Promise<readonly DueCheck[]> {
  const { rows } = await sql<DueCheck>`select * from clock.unchecked_since(${moment}, ${most})`.execute(db);
  return rows;
}

const mostAsked = 100;
const askedAtOnce = 8;

/** Checks what is due, in this process. */
export async function checkDue(custody: Custody): Promise<Tally> {
  return each(
    await dueChecks(custody.db, mostAsked),
    async (due) => void (await checkHealth(custody, due)),
    askedAtOnce,
  );
}
