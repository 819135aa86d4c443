import { randomUUID } from "node:crypto";
import type { PoolClient } from "pg";
import type { FurnishedTenant } from "./fixture.ts";

export type Settings = Readonly<{ tenant: string; member: string; reach: string }>;

/** Whose rows a transaction of a reach sees in a table: its own member's, its tenant's, everybody's, or nobody's. */
type Sight = "member" | "tenant" | "all" | "none";

/** The reach of every transaction, written down once more: table → own, tenant-read, tenant-write, platform. */
export const sights: Readonly<Record<string, readonly [Sight, Sight, Sight, Sight]>> = {
  tenants: ["tenant", "tenant", "tenant", "all"],
  members: ["member", "tenant", "tenant", "none"],
  accounts: ["member", "tenant", "tenant", "none"],
  credentials: ["member", "tenant", "tenant", "none"],
  credential_versions: ["member", "tenant", "tenant", "none"],
  rotations: ["member", "tenant", "tenant", "none"],
  rotation_schedules: ["member", "tenant", "tenant", "none"],
  venue_rotations: ["member", "tenant", "tenant", "none"],
  health_checks: ["member", "tenant", "tenant", "none"],
  api_keys: ["member", "tenant", "tenant", "none"],
  freezes: ["member", "tenant", "tenant", "none"],
  invocations: ["member", "none", "tenant", "none"],
  intents: ["tenant", "none", "tenant", "none"],
  sealed_secrets: ["none", "none", "tenant", "none"],
  data_keys: ["none", "none", "tenant", "none"],
  idempotency_keys: ["none", "none", "tenant", "none"],
  webhook_endpoints: ["none", "tenant", "tenant", "none"],
  webhook_deliveries: ["none", "tenant", "tenant", "none"],
  webhook_links: ["none", "tenant", "tenant", "none"],
  webhook_attempts: ["none", "tenant", "tenant", "none"],
  "audit.heads": ["none", "tenant", "tenant", "none"],
  "audit.index_heads": ["none", "tenant", "tenant", "none"],
  "audit.indexed_events": ["none", "tenant", "tenant", "none"],
  "audit.links": ["none", "tenant", "tenant", "none"],
};
const reaches = ["own", "tenant-read", "tenant-write", "platform"] as const;

/** What tells a member's rows, by table. */
function ownersOf({
  owner,
  trader,
}: FurnishedTenant): Readonly<Record<string, (who: "owner" | "trader") => string>> {
  const of = { owner, trader };
  return {
    members: (who) => `id = '${of[who].member.memberId}'`,
    accounts: (who) => `owner_id = '${of[who].member.memberId}'`,
    credentials: (who) => `owner_id = '${of[who].member.memberId}'`,
    credential_versions: (who) => `credential_id = '${of[who].credentialId}'`,
    rotations: (who) => `credential_id = '${of[who].credentialId}'`,
    rotation_schedules: (who) => `credential_id = '${of[who].credentialId}'`,
    venue_rotations: (who) => `credential_id = '${of[who].credentialId}'`,
    health_checks: (who) => `credential_id = '${of[who].credentialId}'`,
    api_keys: (who) => `member_id = '${of[who].member.memberId}'`,
    freezes: (who) => `account_id = '${of[who].accountId}'`,
    invocations: (who) => `credential_id = '${of[who].credentialId}'`,
  };
}

const nobody: Settings = { tenant: "", member: "", reach: "" };

/**
 * Runs `work` as the role that serves, with these settings, and undoes everything that it did. Answers its result, or the SQLSTATE
 * of its error.
 */
async function trying<T>(
  client: PoolClient,
  settings: Settings,
  work: () => Promise<T>,
): Promise<T | string> {
  const { tenant, member, reach } = settings;
  await client.query(`savepoint trying; select set_config('keyhold.tenant_id', '${tenant}', true),
    set_config('keyhold.member_id', '${member}', true), set_config('keyhold.reach', '${reach}', true);
    set local role keyhold_app`);
  try {
    return await work();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  } finally {
    await client.query("rollback to savepoint trying");
  }
}

async function count(client: PoolClient, table: string, condition: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`select count(*) as n from ${table} where ${condition}`);
  return rows[0]?.n ?? 0;
}

/** Holds what `one` reaches, of its own and of `other`, against what it should; a sentence for each difference. */
export async function faultsOfReach(
  client: PoolClient,
  one: FurnishedTenant,
  other: FurnishedTenant,
): Promise<string[]> {
  const found: string[] = [];
  // Policies alone are to hold: what references would stop is let through.
  await client.query("set local session_replication_role = replica");
  for (const table of Object.keys(sights)) {
    found.push(...(await seen(client, table, one, other)));
    found.push(...(await written(client, table, one, other)));
  }
  found.push(...(await betweenMembers(client, one)));
  return [...found, ...(await askedAcross(client, one, other))];
}

async function seen(
  client: PoolClient,
  table: string,
  one: FurnishedTenant,
  other: FurnishedTenant,
): Promise<string[]> {
  const id = table === "tenants" ? "id" : "tenant_id";
  const member = one.trader.member.memberId;
  const mine = ownersOf(one)[table]?.("trader") ?? "true";
  const whole = {
    member: await count(client, table, `${id} = '${one.id}' and ${mine}`),
    tenant: await count(client, table, `${id} = '${one.id}'`),
    all: await count(client, table, "true"),
    none: 0,
  };
  const found: string[] = [];
  if (whole.member === 0) found.push(`${table} has no row to see: the check would prove nothing`);
  const look = async (settings: Settings, sight: Sight): Promise<void> => {
    const name = settings.reach || "no scope";
    const answer = await trying(client, settings, async () => {
      return [
        await count(client, table, "true"),
        await count(client, table, `${id} = '${other.id}'`),
        await count(client, table, sight === "member" ? mine : "true"),
      ];
    });
    if (typeof answer === "string") return void found.push(`${table} cannot be read with ${name}: ${answer}`);
    const [all, foreign, own] = answer;
    if (sight !== "all" && foreign !== 0) found.push(`${table} shows another tenant's rows to ${name}`);
    if (all !== whole[sight] || own !== all)
      found.push(`${table} shows ${all} rows to ${name}, not ${whole[sight]}`);
  };
  for (const [index, reach] of reaches.entries()) {
    const settings = reach === "platform" ? { ...nobody, reach } : { tenant: one.id, member, reach };
    await look(settings, sights[table]?.[index] ?? "none");
  }
  // Neither a tenant without a reach nor a reach without a tenant is a scope.
  await look(nobody, "none");
  await look({ tenant: one.id, member, reach: "" }, table === "tenants" ? "tenant" : "none");
  await look({ tenant: "", member, reach: "tenant-write" }, "none");
  return found;
}

/** A row of `from`, to be written again by somebody else; generated columns are the database's own. */
async function copyOf(client: PoolClient, table: string, from: FurnishedTenant) {
  const id = table === "tenants" ? "id" : "tenant_id";
  const { rows } = await client.query<{ row: unknown; columns: string }>(
    `select to_jsonb(t) as row, (select string_agg(quote_ident(attname), ', ') from pg_attribute
       where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '') as columns
     from ${table} t where ${id} = $2 limit 1`,
    [table, from.id],
  );
  return { row: JSON.stringify(rows[0]?.row), columns: rows[0]?.columns ?? "" };
}

type Attempts = Readonly<Record<string, readonly [string, ...unknown[]]>>;

/**
 * Makes each attempt, and says which changed what `victim` selects. A statement that reads no column is held by fewer policies than
 * one with a condition: each is tried both ways.
 */
async function attempt(
  client: PoolClient,
  settings: Settings,
  table: string,
  victim: string,
  attempts: Attempts,
): Promise<string[]> {
  const digest = async (): Promise<string> => {
    const { rows } = await client.query<{ digest: string }>(
      `select count(*) || md5(coalesce(string_agg(t::text, ',' order by t::text), '')) as digest from ${table} t where ${victim}`,
    );
    return rows[0]?.digest ?? "";
  };
  const before = await digest();
  const found: string[] = [];
  for (const [name, [statement, ...values]] of Object.entries(attempts)) {
    const answer = await trying(client, settings, async () => {
      await client.query(statement, values);
      await client.query("reset role");
      return digest();
    });
    if (answer === before || answer === "42501") continue;
    found.push(
      `${settings.reach || "no scope"} can ${name} in ${table}: ${answer.length === 5 ? answer : "done"}`,
    );
  }
  return found;
}

/** Insert, update, delete and hand over, each tried on what belongs to `other`. */
async function written(
  client: PoolClient,
  table: string,
  one: FurnishedTenant,
  other: FurnishedTenant,
): Promise<string[]> {
  const id = table === "tenants" ? "id" : "tenant_id";
  const { row, columns } = await copyOf(client, table, other);
  const attempts: Attempts = {
    insert: [
      `insert into ${table} (${columns}) select ${columns} from jsonb_populate_record(null::${table}, $1)`,
      row,
    ],
    update: [`update ${table} set ${id} = $1 where ${id} = $2`, one.id, other.id],
    "update blindly": [`update ${table} set ${id} = $1`, one.id],
    delete: [`delete from ${table} where ${id} = $1`, other.id],
    "delete blindly": [`delete from ${table}`],
    "hand over": [`update ${table} set ${id} = $1 where ${id} = $2`, other.id, one.id],
    "hand over blindly": [`update ${table} set ${id} = $1`, other.id],
  };
  const tenant = one.id;
  const member = one.trader.member.memberId;
  const scopes: readonly Settings[] = [
    { tenant, member, reach: "own" },
    // As the member whose rows they are, but in another tenant.
    { tenant, member: other.owner.member.memberId, reach: "own" },
    { tenant, member, reach: "tenant-read" },
    { tenant, member, reach: "tenant-write" },
    nobody,
    // The operator creates and suspends tenants: what it may write is that table.
    ...(table === "tenants" ? [] : [{ ...nobody, reach: "platform" }]),
  ];
  const found: string[] = [];
  for (const scope of scopes) {
    found.push(...(await attempt(client, scope, table, `${id} = '${other.id}'`, attempts)));
  }
  return found;
}

/** The same inside a tenant: what a trader tries on what the owner owns, and an auditor on anything. */
async function betweenMembers(client: PoolClient, one: FurnishedTenant): Promise<string[]> {
  const found: string[] = [];
  const { memberId: trader } = one.trader.member;
  const { memberId: owner } = one.owner.member;
  for (const [table, condition] of Object.entries(ownersOf(one))) {
    const attempts: Attempts = {
      update: [`update ${table} set tenant_id = $1 where ${condition("owner")}`, randomUUID()],
      "update blindly": [`update ${table} set tenant_id = $1`, one.id],
      delete: [`delete from ${table} where ${condition("owner")}`],
      "delete blindly": [`delete from ${table}`],
      ...(table === "accounts" || table === "credentials"
        ? { "hand over": [`update ${table} set owner_id = $1`, owner] }
        : {}),
    };
    const victim = `tenant_id = '${one.id}' and ${condition("owner")}`;
    for (const [reach, member] of [
      ["own", trader],
      ["tenant-read", owner],
    ] as const) {
      found.push(...(await attempt(client, { tenant: one.id, member, reach }, table, victim, attempts)));
    }
  }
  return found;
}

/** The narrow functions: each asked by `one` about what belongs to `other`. */
async function askedAcross(
  client: PoolClient,
  one: FurnishedTenant,
  other: FurnishedTenant,
): Promise<string[]> {
  const { member } = one.owner;
  const scope = { tenant: one.id, member: member.memberId, reach: "tenant-write" };
  const ask = (statement: string, values: unknown[]) =>
    trying(client, scope, async () => {
      const { rows } = await client.query<{ answer: unknown }>(statement, values);
      return rows.map(({ answer }) => String(answer)).join();
    });
  const exists = async (kind: string, id: string) =>
    ask("select access.exists_in_tenant($1, $2) as answer", [kind, id]);
  const found: string[] = [];
  for (const [kind, key] of [
    ["credential", "credentialId"],
    ["account", "accountId"],
    ["api_key", "apiKeyId"],
  ] as const) {
    if ((await exists(kind, one.trader[key])) !== "true") found.push(`an own ${kind} is not found`);
    if ((await exists(kind, other.trader[key])) !== "false") found.push(`another tenant's ${kind} is found`);
  }
  if ((await exists("member", other.trader.member.memberId)) !== "false")
    found.push("another tenant's member is found");
  const record = await ask("select audit.record($1, '{x}', '{ok}', '{\"{}\"}', '{null}') as answer", [
    other.id,
  ]);
  if (record !== "42501") found.push(`the record of another tenant can be written: ${record}`);
  const queue = await ask("select webhooks.announce($1, 1, '{}', '{}') as answer", [other.id]);
  if (queue !== "42501") found.push(`messages can be queued past the record: ${queue}`);
  const forget = await ask("select audit.forget_index($1, 1) as answer", [other.id]);
  if (forget !== "42501") found.push(`the index of events can be removed: ${forget}`);
  const use = `select outcome || coalesce(encode(sealed, 'hex'), '') as answer from audit.append(array[$1::uuid],
    array[$2::uuid], '{owner}', '{false}', '{null}', array[$3::uuid], '{null}', '{null}', '{use}', '{credential.used}', array['{"actor":{}'])`;
  const own = await ask(use, [one.id, member.memberId, one.trader.credentialId]);
  if (!own.startsWith("ok4b485243")) found.push("an own credential cannot be used");
  const foreign = await ask(use, [one.id, member.memberId, other.trader.credentialId]);
  if (foreign !== "absent") found.push(`another tenant's credential can be used: ${foreign.slice(0, 16)}`);
  return found;
}
