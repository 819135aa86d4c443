import { sql } from "kysely";
import type { Db } from "./connect.ts";

type Place = Readonly<{ venue: string; environment: string }>;

/** The table of how venues refuse an unknown key, as the venues ask for it (`venues/known-refusals.ts`). */
export function storedRefusals(db: Db) {
  return {
    async of({ venue, environment }: Place, learn: () => Promise<string | null>): Promise<string | null> {
      if (!(await claim(db, { venue, environment }))) return read(db, { venue, environment });
      const form = await learn();
      await sql`update venue_refusals set form = ${form} where venue = ${venue} and environment = ${environment}`.execute(
        db,
      );
      return form;
    },
  };
}

/** Whether it is for the caller to ask: the first time, and again a day later. What was known is forgotten then. */
async function claim(db: Db, { venue, environment }: Place): Promise<boolean> {
  const { rows } = await sql`
    insert into venue_refusals as r (venue, environment) values (${venue}, ${environment})
    on conflict (venue, environment) do update set asked_at = now(), form = null
      where r.asked_at < now() - interval '1 day'
    returning 1`.execute(db);
  return rows.length === 1;
}

async function read(db: Db, { venue, environment }: Place): Promise<string | null> {
  const { rows } = await sql<{ form: string | null }>`
    select form from venue_refusals where venue = ${venue} and environment = ${environment}`.execute(db);
  return rows[0]?.form ?? null;
}
