import { sql } from "kysely";
import type { Db } from "./connect.ts";

/** The stored forms in which venues refuse an unknown key (`venues/known-refusals.ts`). */
export function storedRefusals(db: Db) {
  return {
    async of(
      { venue, environment }: Readonly<{ venue: string; environment: string }>,
      learn: () => Promise<string | null>,
    ): Promise<string | null> {
      if (!(await claim(db, { venue, environment }))) return read(db, { venue, environment });
      const form = await learn();
      await sql`update venue_refusals set form = ${form} where venue = ${venue} and environment = ${environment}`.execute(
        db,
      );
      return form;
    },
  };
}

/**
 * Whether the caller should ask the venue: the first time, and after a day. Then the earlier answer is
 * removed.
 */
async function claim(
  db: Db,
  { venue, environment }: Readonly<{ venue: string; environment: string }>,
): Promise<boolean> {
  const { rows } = await sql`
    insert into venue_refusals as r (venue, environment) values (${venue}, ${environment})
    on conflict (venue, environment) do update set asked_at = now(), form = null
      where r.asked_at < now() - interval '1 day'
    returning 1`.execute(db);
  return rows.length === 1;
}

async function read(
  db: Db,
  { venue, environment }: Readonly<{ venue: string; environment: string }>,
): Promise<string | null> {
  const { rows } = await sql<{ form: string | null }>`
    select form from venue_refusals where venue = ${venue} and environment = ${environment}`.execute(db);
  return rows[0]?.form ?? null;
}
