import { openLocalIssuer } from "../src/access/local-issuer.ts";
import type { Call } from "./load.ts";
import type { SeededTenant } from "./seed.ts";

/** One call for each credential, so ordered that neighbours belong to different tenants. Tokens hold for an hour. */
export async function callsFor(
  verb: "reveal" | "validate",
  folder: string,
  tenants: readonly SeededTenant[],
): Promise<readonly Call[]> {
  const { mintToken } = await openLocalIssuer(folder);
  const byTenant = await Promise.all(
    tenants.map(async ({ owner: { tenantId }, subject, credentialIds }) => {
      const token = await mintToken({ tenantId, subject, scopes: [`credentials:${verb}`], ttlSeconds: 3600 });
      return credentialIds.map((id): Call => ({ path: `/api/v1/credentials/${id}/${verb}`, token }));
    }),
  );
  const longest = Math.max(...byTenant.map(({ length }) => length));
  return Array.from({ length: longest }, (_, rank) => byTenant.flatMap((calls) => calls[rank] ?? [])).flat();
}
