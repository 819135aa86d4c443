import { sql } from "kysely";
import { list } from "../../src/credentials/list.ts";
import { withSecret } from "../../src/credentials/use.ts";
import type { Db } from "../../src/db/connect.ts";
import { findOrphans } from "../../testkit/orphans.ts";
import type { Ground } from "../ground.ts";
import type { Effect, Point } from "./effects.ts";
import type { Found, Secret } from "./findings.ts";
import type { Work } from "./processes.ts";
import type { Victim } from "./victims.ts";

/** A writer, and where it stands when its process is killed. */
export type Case = Readonly<{ work: Work; point: Point; effect: Effect["name"]; victim: Victim }>;
/** The same, and what a use gave right after that. */
export type Killed = Case & Readonly<{ secret: Secret }>;

/** What there is for each of them now. */
export async function look(ground: Ground, killed: readonly Killed[]): Promise<readonly Found[]> {
  const [versions, orphans] = await Promise.all([
    countVersions(ground.installation.ownerDb),
    findOrphansAndOverdue(ground),
  ]);
  return killed.map(({ secret, victim: { tenantId } }) => ({
    secret,
    inForce: versions.get(tenantId)?.in_force ?? 0,
    current: versions.get(tenantId)?.current ?? 0,
    orphans: orphans.get(tenantId)?.map(({ what }) => what) ?? [],
  }));
}

/** Uses whatever credential there is. */
export async function use(ground: Ground, { work, victim: { member } }: Case): Promise<Secret> {
  const custody = ground.custody[work.store];
  const { items } = await list(custody, member, {}, { limit: 50, after: null });
  const [first, ...others] = items;
  if (first === undefined) return "none";
  if (others.length > 0) return "lost";
  return withSecret(custody, member, { id: first.id }, (fields) => {
    const texts = [...fields].map(([name, secret]) => `${name}=${secret.expose((bytes) => asText(bytes))}`);
    return Promise.resolve(ageOf(texts.join()));
  }).catch(() => "lost");
}

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function ageOf(secret: string): Secret {
  const age = (["old", "new"] as const).find(
    (age) => secret === `api_key=${age} key,api_secret=${age} secret`,
  );
  return age ?? "lost";
}

type Versions = Readonly<{ tenant_id: string; in_force: number; current: number }>;

async function countVersions(owner: Db): Promise<ReadonlyMap<string, Versions>> {
  const { rows } = await sql<Versions>`
    select c.tenant_id, count(*) filter (where v.state = 'current')::integer as current,
      count(*) filter (where v.state = 'current' and v.version = c.version and v.store = c.store)::integer as in_force
    from credentials c left join credential_versions v on v.credential_id = c.id
    group by c.tenant_id`.execute(owner);
  return new Map(rows.map((row) => [row.tenant_id, row]));
}

/** A rotation that should have ended by now keeps its old version for nobody. */
async function findOrphansAndOverdue({ installation: { ownerDb }, folder }: Ground) {
  const overdue = await ownerDb
    .selectFrom("rotations")
    .select("tenant_id")
    .where("state", "=", "overlap")
    .where("overlap_until", "<=", sql<Date>`now()`)
    .execute();
  const orphans = await findOrphans(ownerDb, folder);
  const late = overdue.map(({ tenant_id }) => ({ tenantId: tenant_id, what: "overdue rotation" }));
  return Map.groupBy([...orphans, ...late], ({ tenantId }) => tenantId);
}
