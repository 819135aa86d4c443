import { readFile } from "node:fs/promises";
import type { VaultConfig } from "../../config-stores.ts";
import { StartError } from "../../errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { watchBreaker } from "../watch-breaker.ts";
import { VaultClient } from "./client.ts";

/** A client for the cluster that the configuration names. Nothing is sent yet. Throws `StartError`. */
export async function openVault(
  { caFile, ...settings }: VaultConfig,
  needs: Readonly<{ metrics: Pick<Metrics, "storeBreaker">; log: Log }>,
): Promise<VaultClient> {
  const ca = caFile === undefined ? undefined : await readAuthorities(caFile);
  return new VaultClient({ ...settings, ca }, { onBreaker: watchBreaker("vault", needs) });
}

async function readAuthorities(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new StartError(`The authorities of Vault's certificates cannot be read from ${path}.`, { cause });
  }
}
