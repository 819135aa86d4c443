import { answerOf } from "@keyhold/client";
import { readVaultConfig } from "../../config/config.ts";
import type { VaultConfig } from "../../config/stores.ts";
import { StoreTrouble, deniedReasons, type DeniedReason, unavailableReasons } from "../../remote/failure.ts";
import type { VaultClient } from "../../vault/client.ts";
import { LegacySecrets } from "../../vault/legacy.ts";
import { openVault } from "../../vault/open.ts";
import type { Cli } from "../cli.ts";
import { registrationOf, type RegisterOptions } from "../credential.ts";
import { CliError } from "../errors.ts";
import type { Naming } from "../fields.ts";
import { importAll, type Held, type Item } from "./importer.ts";
import { isWord, pathTo, type Place, placeOf } from "./path.ts";

export type VaultImport = RegisterOptions &
  Naming &
  Readonly<{
    sourceTenant?: string;
    exchange?: readonly string[];
    path: string;
    dryRun?: true;
  }>;

/** A person waits for it, and no request of a caller. */
const patience = { deadlineMs: 10_000, attemptMs: 5000 };

/** Reads keys that stand in Vault in the clear, and registers each. Throws `StartError` and `CliError`. */
export async function importFromVault(cli: Cli, options: VaultImport): Promise<void> {
  const config = readVaultConfig(cli.environment);
  const { exchange, dryRun = false } = options;
  const place = placeOf(options.path, await tenantOf(cli, options));
  const names = exchange === undefined ? undefined : [...new Set(exchange)];
  if (names?.length === 0) throw new CliError("usage", "--exchange names none");
  for (const name of names ?? []) pathTo(place, name);
  const client = await openVault({ ...config, ...patience });
  try {
    const source = { list: () => listItems(client, config, { place, names }) };
    await importAll(cli, source, {
      registration: await registrationOf(cli, options),
      naming: options,
      dryRun,
    });
  } finally {
    await client.close();
  }
}

/** The tenant in the path; `null` where the path has none. Throws `CliError`. */
async function tenantOf(cli: Cli, { path, sourceTenant }: VaultImport): Promise<string | null> {
  const named = path.split("/").includes("{tenant}");
  if (!named && sourceTenant !== undefined)
    throw new CliError("usage", "--source-tenant is given, and --path has no {tenant}");
  if (!named || sourceTenant !== undefined) return sourceTenant ?? null;
  const { tenant_id: own } = await answerOf((await cli.api()).GET("/api/v1/me"));
  if (own !== null) return own;
  throw new CliError("usage", "an operator's token speaks for no tenant", {
    hint: "set KEYHOLD_TOKEN to a token of the member whose account it is",
  });
}

/** `names` are those of exchanges that were asked for; all that a listing finds when `undefined`. */
function listItems(
  client: VaultClient,
  config: VaultConfig,
  { place, names }: Readonly<{ place: Place; names: readonly string[] | undefined }>,
): Promise<readonly Item[]> {
  return explained(place.folder, async () => {
    const secrets = await LegacySecrets.open(client, place.folder);
    const found = names ?? (await listed(secrets, place));
    return found.map((name) => itemOf(secrets, config, place, name));
  });
}

async function listed(secrets: LegacySecrets, { folder, behind }: Place): Promise<readonly string[]> {
  const names = (await secrets.list(folder))
    .filter((name) => name.endsWith("/") === (behind !== ""))
    .map((name) => name.replace(/\/$/, ""));
  if (names.length > 0) return names;
  throw new CliError("refused", `Vault has no exchanges at ${folder}`, {
    hint: "check --source-tenant and --path",
  });
}

function itemOf(secrets: LegacySecrets, { namespace }: VaultConfig, place: Place, exchange: string): Item {
  // What Vault takes for a name need not be one part of a path to us: then it stays unread.
  if (!isWord(exchange)) {
    const reason = "Its name is not letters, digits, _, - and dots.";
    return { exchange, path: place.folder, removal: "", read: async () => ({ outcome: "skipped", reason }) };
  }
  const path = pathTo(place, exchange);
  const within = namespace === undefined ? "" : `-namespace=${namespace} `;
  const removal = `vault kv metadata delete ${within}-mount=${secrets.mount} ${secrets.below(path)}`;
  return { exchange, path, removal, read: () => read(secrets, path) };
}

async function read(secrets: LegacySecrets, path: string): Promise<Held> {
  try {
    const newest = await secrets.read(path);
    switch (newest.outcome) {
      case "found":
        return newest;
      case "absent":
        return { outcome: "skipped", reason: "There is nothing at this path." };
      case "deleted":
        return {
          outcome: "skipped",
          reason: `Its newest version, ${newest.version}, is deleted: \`vault kv undelete\` brings it back.`,
        };
      case "destroyed":
        return {
          outcome: "skipped",
          reason: `Its newest version, ${newest.version}, is destroyed for good.`,
        };
    }
  } catch (error) {
    if (!(error instanceof StoreTrouble)) throw error;
    const { outcome } = error.answer;
    return { outcome: outcome === "denied" ? "refused" : outcome, reason: sentenceOf(error) };
  }
}

/** Runs what comes before all keys; when that fails, nothing was imported. Throws `CliError`. */
async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreTrouble)) throw error;
    const { outcome, reason } = error.answer;
    const detail = sentenceOf(error);
    if (outcome === "unavailable")
      throw new CliError("unavailable", `Vault could not be asked for ${path}`, { detail, hint: againHint });
    throw new CliError("refused", `Vault does not give ${path}`, { detail, hint: hints[reason] });
  }
}

function sentenceOf({ answer }: StoreTrouble): string {
  return answer.outcome === "denied" ? deniedReasons[answer.reason] : unavailableReasons[answer.reason];
}

const againHint = "nothing was imported; once that is mended, run the same command again";
const aboutMount = "--path begins with the mount of the engine, as in `vault kv get`";
const hints: Readonly<Partial<Record<DeniedReason, string>>> = {
  no_mount: aboutMount,
  wrong_engine: aboutMount,
  policy: "a missing mount looks the same as one that you may not see; the guide to importing has the policy",
};
