import { hash } from "node:crypto";
import { namesSubjects } from "../access/narrowing.ts";
import { type Member, principalName } from "../access/principal.ts";
import { KeyholdError } from "../errors.ts";
import { jsonReply, type Reply } from "./answer.ts";
import type { IdempotencyKeys, Keep } from "./idempotency.ts";
import type { Caller } from "./permission.ts";
import type { Route } from "./route.ts";

export type KnowsKeys = Readonly<{ idempotency: Pick<IdempotencyKeys, "once"> }>;

type Keyed = Readonly<{ caller: NonNullable<Caller>; key: string; bodyDigest: Uint8Array; path: string }>;

/** Runs a request under its Idempotency-Key, or answers as its first run did. */
export async function runOnce(
  { idempotency }: KnowsKeys,
  { method, path: route }: Route,
  { caller, key, bodyDigest, path }: Keyed,
  run: (keep: Keep) => Promise<Reply>,
): Promise<Reply> {
  const operates = caller.kind === "operator";
  const principal = operates ? `operator:${caller.issuer} ${caller.subject}` : nameOf(caller);
  const request = {
    tenantId: operates ? null : caller.tenantId,
    principal,
    route: `${method} ${route}`,
    path,
    key,
    bodyDigest,
  };
  const outcome = await idempotency.once(request, run);
  if ("fresh" in outcome) return outcome.fresh;
  const { status, body } = outcome.stored;
  return jsonReply(status, body, { "idempotency-replayed": "true" });
}

/** A narrowed token is not given what a wider one of the same member was answered. */
function nameOf(caller: Member): string {
  const { credentials, accounts } = caller.narrowing;
  const name = principalName(caller);
  if (caller.apiKeyId !== null || !namesSubjects(caller.narrowing)) return name;
  return `${name}:${hash("sha256", JSON.stringify([credentials, accounts]), "base64url")}`;
}

/** Throws `malformed` for a header that is no key. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === "string" && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw new KeyholdError("malformed", "An Idempotency-Key is 1 to 255 visible ASCII characters.");
}
