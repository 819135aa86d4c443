import { decodeJwt } from "jose";

/**
 * What a caller that was not let in can see of its own token; the service gives no reason. Nothing is verified: it is the caller's.
 */
export function explainToken(token: string, now: number = Date.now()): string {
  if (/^bearer\s/i.test(token)) return "KEYHOLD_TOKEN begins with Bearer: set it to what stands behind that";
  if (/^kho?_/.test(token)) return "the API key is not that of this service, was revoked, or has ended";
  const claims = claimsOf(token);
  if (claims === undefined) return "KEYHOLD_TOKEN holds neither a JSON Web Token nor an API key";
  const { iss, sub, exp, nbf, iat, tenant_id: tenant } = claims;
  if (exp !== undefined && exp * 1000 <= now) return `your token expired ${since(now - exp * 1000)} ago`;
  const from = Math.max(nbf ?? 0, iat ?? 0) * 1000;
  if (from > now + skewMs) return `your token begins to hold in ${since(from - now)}: check the clocks`;
  const whose = typeof tenant === "string" ? `of tenant ${tenant}` : "without a tenant_id";
  return `your token is of ${sub ?? "nobody"}, ${whose}, signed by ${iss ?? "nobody"}: the log of the service says what does not fit`;
}

/** As much as the service lets clocks differ. */
const skewMs = 15_000;

function claimsOf(token: string) {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

function since(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.ceil(ms / 1000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
