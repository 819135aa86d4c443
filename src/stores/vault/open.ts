import { readFile } from "node:fs/promises";
import type { VaultConfig } from "../../config-stores.ts";
import { StartError } from "../../errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { watchBreaker } from "../watch-breaker.ts";
import { VaultClient } from "./client.ts";
import type { VaultSettings } from "./settings.ts";

type Patience = Pick<VaultSettings, "deadlineMs" | "attemptMs">;

/**
 * A client for the cluster that the configuration names; where somebody watches, they are told when it is left alone. Nothing is
 * sent yet. Throws `StartError`.
 */
export async function openVault(
  { caFile, ...settings }: VaultConfig & Patience,
  watching?: Readonly<{ metrics: Pick<Metrics, "storeBreaker">; log: Log }>,
): Promise<VaultClient> {
  const ca = caFile === undefined ? undefined : await readAuthorities(caFile);
  const options = watching === undefined ? {} : { onBreaker: watchBreaker("vault", watching) };
  return new VaultClient({ ...settings, ca }, options);
}

async function readAuthorities(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new StartError(`The authorities of Vault's certificates cannot be read from ${path}.`, { cause });
  }
}
