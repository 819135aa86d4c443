import { sql } from "kysely";
import type { World } from "./world.ts";

/** Lets time pass for every credential: what is to be checked later is to be checked now. */
export async function makeDue({ database }: Pick<World, "database">): Promise<void> {
  await sql`update credentials set next_check_at = now(), check_leased_until = null`.execute(database.owner);
}
