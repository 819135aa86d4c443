import { access, constants } from "node:fs/promises";
import { readAuthorities } from "../authority-file.ts";
import type { VaultConfig } from "../config/stores.ts";
import { StartError } from "../errors.ts";
import { watchBreaker } from "../remote/breaker.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { VaultClient } from "./client.ts";
import type { VaultSettings } from "./nodes.ts";

/**
 * A client for the configured cluster. With `watching`, the state of its breaker is a metric, and changes are
 * logged. No request is sent yet. Throws `StartError`.
 */
export async function openVault(
  { caFile, ...settings }: VaultConfig & Pick<VaultSettings, "deadlineMs" | "attemptMs">,
  watching?: Readonly<{ metrics: Pick<Metrics, "storeBreaker">; log: Log }>,
): Promise<VaultClient> {
  await assertReadable(settings.auth);
  const ca = caFile === undefined ? undefined : await readAuthorities(caFile, "KEYHOLD_VAULT_CA_FILE");
  const options = watching === undefined ? {} : { onBreaker: watchBreaker("vault", watching) };
  return new VaultClient({ ...settings, ca }, options);
}

/**
 * Files are read again at each login. If a file is missing now, its path is wrong or a volume is not mounted.
 */
async function assertReadable(auth: VaultConfig["auth"]): Promise<void> {
  const [variable, path] = fileOf(auth);
  await access(path, constants.R_OK).catch((cause: NodeJS.ErrnoException) => {
    throw new StartError(`The file ${path} of ${variable} cannot be read (${cause.code}).`, { cause });
  });
}

function fileOf(auth: VaultConfig["auth"]): readonly [variable: string, path: string] {
  switch (auth.method) {
    case "token":
      return ["KEYHOLD_VAULT_TOKEN_FILE", auth.tokenFile];
    case "approle":
      return ["KEYHOLD_VAULT_SECRET_ID_FILE", auth.secretIdFile];
    case "kubernetes":
      return ["KEYHOLD_VAULT_JWT_FILE", auth.jwtFile];
  }
}
