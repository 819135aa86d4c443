import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../../testkit/cluster/program.ts";
import { install, settingsFor, type Installation } from "../../testkit/embedded-installation.ts";
import { callsFor } from "../calls.ts";
import type { Figure, Section } from "../figures.ts";
import { type Call, type OpenLoopResult, runClosedLoop, runOpenLoop } from "../load.ts";
import { moveToVault } from "../move-to-vault.ts";
import { seed, type SeededTenant } from "../seed.ts";
import { startBareRoute, startService } from "../servers.ts";
import { startVaultNode, type VaultNode } from "../vault-node.ts";

const perSecond = 1000;
/** What Vault can be asked beside everything else on the same two cores, with room to spare. */
const askedPerSecond = 200;
const tenants = 50;
const connectionCounts = [16, 64, 128];
const warmUpSeconds = 3;

/**
 * Retrievals of each credential for the first time and for the second, where the secrets rest in Vault: the first asks the store,
 * the second its copy. Beside them the same from PostgreSQL, the bare route, and Vault's own reads of the same secrets, audited to
 * a file, with the same driver.
 */
export async function measureStores(seconds: number): Promise<Section> {
  await using installation = await install();
  const credentialsEach = Math.ceil((perSecond * (seconds + warmUpSeconds)) / tenants);
  const seeded = await seed(installation, { tenants, credentialsEach });
  const calls = await callsFor("reveal", installation.folder, seeded);
  const postgres = await measureService(installation, calls, seconds, {});
  const bare = await openLoop(startBareRoute(installation), calls, { seconds, perSecond });
  const policy = await readFile(
    join(import.meta.dirname, "../../deploy/openbao/policies/keyhold-service.hcl"),
    "utf8",
  );
  await using node = await startVaultNode(findProgram().path, policy);
  await moveToVault(installation, node);
  const vault = await measureService(installation, calls, seconds, environmentFor(node));
  const asked = await openLoop(
    startService({ ...settingsFor(installation), ...environmentFor(node) }),
    calls,
    { seconds, perSecond: askedPerSecond },
  );
  const own = await measureVault(node, seeded, seconds);
  return {
    title: `Stores: the first and the second retrieval of ${calls.length} credentials at ${perSecond}/s, and as many as can be`,
    figures: [
      ...describe("postgres", "reveal, postgres", postgres.second),
      ...describe("vault_uncached", "reveal, vault, first: the store is asked", vault.first),
      ...describe("vault_asked", `reveal, vault, first, at ${askedPerSecond}/s`, asked),
      ...describe("vault_cached", "reveal, vault, second: a copy", vault.second),
      ...describe("bare", "bare route", bare),
      {
        name: "postgres_to_bare_p99_ratio",
        text: "postgres / bare, P99",
        value: postgres.second.p99Ms / bare.p99Ms,
      },
      {
        name: "vault_cached_to_bare_p99_ratio",
        text: "vault, second / bare, P99",
        value: vault.second.p99Ms / bare.p99Ms,
      },
      ...connectionCounts.flatMap((connections, at) =>
        describeMost(connections, { own: own[at], postgres: postgres.most[at], vault: vault.most[at] }),
      ),
      ...describeBest({ own, postgres: postgres.most, vault: vault.most }),
    ],
  };
}

type Measured = Readonly<{ first: OpenLoopResult; second: OpenLoopResult; most: readonly number[] }>;

/** Of a service that has just started: its copies are empty for the first round and full for the others. */
async function measureService(
  installation: Installation,
  calls: readonly Call[],
  seconds: number,
  environment: Readonly<Record<string, string>>,
): Promise<Measured> {
  await using server = await startService({ ...settingsFor(installation), ...environment });
  const { origin } = server;
  const first = await inOrder(origin, calls, { seconds, perSecond });
  const second = await inOrder(origin, calls, { seconds, perSecond });
  const most: number[] = [];
  for (const connections of connectionCounts)
    most.push((await closedLoop(origin, { calls: [...calls], connections }, seconds)).perSecond);
  return { first, second, most };
}

/** Every credential once, from the first request on. */
function inOrder(origin: string, calls: readonly Call[], pace: Pace): Promise<OpenLoopResult> {
  return runOpenLoop({ origin, calls: [...calls], connections: 256, warmUpSeconds, ...pace });
}

type Pace = Readonly<{ seconds: number; perSecond: number }>;

async function openLoop(
  starting: ReturnType<typeof startBareRoute>,
  calls: readonly Call[],
  pace: Pace,
): Promise<OpenLoopResult> {
  await using server = await starting;
  return await inOrder(server.origin, calls, pace);
}

/** What Vault reads by itself, of the same secrets, at as many connections. */
async function measureVault(
  { origin, token }: VaultNode,
  seeded: readonly SeededTenant[],
  seconds: number,
): Promise<readonly number[]> {
  const calls = seeded.flatMap(({ owner: { tenantId }, credentialIds }) =>
    credentialIds.map((id): Call => ({
      path: `/v1/secret/data/tenants/${tenantId}/exchanges/binance/live/${id}`,
      token,
      reads: "vault",
    })),
  );
  const most: number[] = [];
  for (const connections of connectionCounts)
    most.push((await closedLoop(origin, { calls, connections }, seconds)).perSecond);
  return most;
}

function closedLoop(
  origin: string,
  load: Readonly<{ calls: Call[]; connections: number }>,
  seconds: number,
): ReturnType<typeof runClosedLoop> {
  return runClosedLoop({ origins: [origin], ...load, warmUpSeconds, seconds });
}

function environmentFor({ origin, tokenFile }: VaultNode): Record<string, string> {
  return {
    KEYHOLD_STORES: "vault",
    KEYHOLD_VAULT_ADDRESSES: origin,
    KEYHOLD_VAULT_AUTH: "token",
    KEYHOLD_VAULT_TOKEN_FILE: tokenFile,
  };
}

function describe(name: string, text: string, result: OpenLoopResult): readonly Figure[] {
  return [
    { name: `${name}_p50_ms`, text: `${text}, P50`, value: result.p50Ms },
    { name: `${name}_p99_ms`, text: "  P99", value: result.p99Ms },
    { name: `${name}_p999_ms`, text: "  P99.9", value: result.p999Ms },
    { name: `${name}_errors_count`, text: "  errors", value: result.errors },
  ];
}

type Most = Readonly<Record<"own" | "postgres" | "vault", number | undefined>>;

function describeMost(connections: number, { own = 0, postgres = 0, vault = 0 }: Most): readonly Figure[] {
  const at = `${connections}c` as const;
  return [
    {
      name: `vault_own_reads_${at}_per_s`,
      text: `Vault's own audited reads, ${connections} connections`,
      value: own,
    },
    { name: `postgres_reveals_${at}_per_s`, text: "  reveal, postgres", value: postgres },
    { name: `postgres_to_vault_own_${at}_ratio`, text: "    to Vault's own", value: postgres / own },
    { name: `vault_reveals_${at}_per_s`, text: "  reveal, vault, copies", value: vault },
    { name: `vault_to_vault_own_${at}_ratio`, text: "    to Vault's own", value: vault / own },
  ];
}

/** Each with as many connections as suit it best. */
function describeBest(
  most: Readonly<Record<"own" | "postgres" | "vault", readonly number[]>>,
): readonly Figure[] {
  const own = Math.max(...most.own);
  return [
    { name: "vault_own_reads_best_per_s", text: "the most of each: Vault's own", value: own },
    {
      name: "postgres_to_vault_own_best_ratio",
      text: "    reveal, postgres, to Vault's own",
      value: Math.max(...most.postgres) / own,
    },
    {
      name: "vault_to_vault_own_best_ratio",
      text: "    reveal, vault, copies, to Vault's own",
      value: Math.max(...most.vault) / own,
    },
  ];
}
