import { z } from "zod";
import { mountPath } from "../config/stores.ts";
import { StartError } from "../errors.ts";
import { StoreTrouble, throwDenied } from "../remote/failure.ts";
import { parseAnswer, type VaultClient } from "./client.ts";
import type { VaultAnswer } from "./nodes.ts";

const mountAnswer = z.object({
  data: z.object({
    path: z.string(),
    type: z.string(),
    options: z.object({ version: z.string().optional() }).nullish(),
  }),
});

/** Throws `StartError` for a path that cannot be a mount. */
export function assertMount(path: string): void {
  if (mountPath.test(path)) return;
  throw new StartError("A mount of Vault must be a path of words with slashes between them.");
}

/**
 * The mount of a path, without its last slash. `probe` is a request below it that the policy allows. Throws
 * `StoreTrouble`, also when another engine than key-value of version 2 is mounted: there a read would look
 * like an absence, and a write would succeed without a version.
 */
export async function findMount(client: VaultClient, path: string, probe: string): Promise<string> {
  const { path: mount, type, options } = parseAnswer(mountAnswer, await ask(client, path, probe)).data;
  if (type !== "kv" || options?.version !== "2") throwDenied("wrong_engine");
  return mount.replace(/\/$/, "");
}

/**
 * Vault refuses alike a mount that does not exist and one that the policy hides. A request below it shows the
 * difference.
 */
async function ask(client: VaultClient, path: string, probe: string): Promise<VaultAnswer> {
  try {
    return await client.call({ method: "GET", path: `sys/internal/ui/mounts/${path}` });
  } catch (error) {
    if (!(error instanceof StoreTrouble) || error.answer.reason !== "policy") throw error;
    await client.call({ method: "GET", path: probe });
    throw error;
  }
}
