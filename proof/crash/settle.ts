import { readdir } from "node:fs/promises";
import { sql } from "kysely";
import { reconcile } from "../../src/credentials/destroy.ts";
import { finishDueRotations } from "../../src/credentials/rotation.ts";
import type { Db } from "../../src/db/connect.ts";
import { countRows } from "../../testkit/record.ts";
import type { Ground } from "../ground.ts";
import type { Case } from "./condition.ts";
import type { Found, Round } from "./findings.ts";
import { assertDone, registerOne, rotateOne } from "./scenarios.ts";
import { ageIntents } from "./victims.ts";

/** As the clock does once a minute, when whatever was left is old enough. Nobody may be at work. */
export async function settle(ground: Ground): Promise<Omit<Round, "processes">> {
  const { installation } = ground;
  await ageIntents(installation.ownerDb);
  const began = performance.now();
  await runClock(ground);
  const seconds = (performance.now() - began) / 1000;
  const settled = await digest(ground);
  await runClock(ground);
  return { seconds, changedAgain: (await digest(ground)) !== settled };
}

async function runClock({ custody: { postgres } }: Ground): Promise<void> {
  assertDone(await reconcile(postgres));
  assertDone(await finishDueRotations(postgres));
}

/** Of everything that the clock could change, or add. */
async function digest({ installation: { ownerDb }, folder }: Ground): Promise<string> {
  const tables = ["credentials", "credential_versions", "sealed_secrets", "intents", "rotations"] as const;
  const sums: string[] = [];
  for (const table of tables) sums.push(await sumOf(ownerDb, table));
  const files = await readdir(folder, { recursive: true });
  return JSON.stringify([sums, files.sort(), await countRows(ownerDb)]);
}

async function sumOf(owner: Db, table: string): Promise<string> {
  const { rows } = await sql<{ sum: string | null }>`
    select md5(string_agg(t::text, '/' order by t::text)) as sum from ${sql.table(table)} t`.execute(owner);
  return rows[0]?.sum ?? "";
}

/** Whoever had no success does the same again; `null` for whom there is nothing left to do. */
export async function repeat(ground: Ground, one: Case, { secret }: Found): Promise<boolean | null> {
  const {
    victim,
    work: { store, scenario },
  } = one;
  const asked = { custody: ground.custody[store], member: victim.member, writer: victim };
  const again = (work: Promise<unknown>): Promise<boolean> =>
    work.then(
      () => true,
      () => false,
    );
  if (scenario === "register") return secret === "none" ? again(registerOne(asked, "new")) : null;
  if (secret !== "old") return null;
  return again(rotateOne(asked));
}
