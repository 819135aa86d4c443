import type { FastifyReply, FastifyRequest } from "fastify";
import type { Authenticator } from "../access/authenticate.ts";
import type { Member } from "../access/principal.ts";
import { LimitExceeded, type LimitState, type RateLimits } from "../access/rate-limits.ts";
import { type Strangers, failureOf } from "../access/unauthenticated.ts";
import type { refusalRecorder } from "../audit/refusals.ts";
import { KeyholdError } from "../errors.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Caller } from "./permission.ts";
import type { Route } from "./route.ts";
import { idParams } from "./schemas.ts";

export type DoorKeeping = Readonly<{
  authenticator: Pick<Authenticator, "authenticate">;
  strangers: Pick<Strangers, "admit">;
  limits: Pick<RateLimits, "take" | "assertLeft" | "refuse">;
  /** Records what a member was refused. */
  recordRefusal: ReturnType<typeof refusalRecorder>;
  metrics: Pick<Metrics, "authenticationFailures">;
}>;

/**
 * Identifies the caller before the body is read: authenticates, counts the request, and checks the route's
 * permission. A request of a route with a rate limit of its own counts for that limit only. Throws
 * `unauthenticated`, `rate_limited`, `forbidden`, which is recorded, and `not_ready`.
 */
export async function identify(
  door: DoorKeeping,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Caller> {
  if (route.admission.permission === "public") return null;
  const { authenticator, strangers, limits, metrics } = door;
  const origin = { address: request.ip, requestId: request.id };
  const { authorization } = request.headers;
  const caller = await strangers
    .admit(authorization, request.ip, () => authenticator.authenticate(authorization, origin))
    .catch((error: unknown) => {
      const reason = error instanceof KeyholdError && error.code === "forbidden" ? "network" : "not_ready";
      if (!(error instanceof LimitExceeded))
        metrics.authenticationFailures.inc({ reason: failureOf(error) ?? reason });
      throw error;
    });
  if (caller.kind === "operator") {
    route.admission.admit(caller);
    return caller;
  }
  if (route.limit === undefined) showLimit(reply, await limits.take("requests", caller));
  else limits.assertLeft("refusals", caller);
  try {
    route.admission.admit(caller);
  } catch (error) {
    await recordRefused(door, route, caller, request, error);
    if (route.limit !== undefined) await limits.take("refusals", caller);
    throw error;
  }
  if (route.limit !== undefined) showLimit(reply, await limits.take(route.limit, caller, idOf(request)));
  return caller;
}

/** Records what a verb refused. It counts against the member if the route has a rate limit of its own. */
export async function afterRefusal(
  door: DoorKeeping,
  route: Route,
  caller: Caller,
  request: FastifyRequest,
  error: unknown,
): Promise<void> {
  if (caller?.kind !== "member" || !(error instanceof KeyholdError)) return;
  await recordRefused(door, route, caller, request, error);
  if (route.limit !== undefined && (error.code === "not_found" || error.code === "forbidden"))
    await door.limits.refuse(route.limit, caller, idOf(request));
}

async function recordRefused(
  { recordRefusal }: DoorKeeping,
  { tag, operationId }: Route,
  caller: Member,
  request: FastifyRequest,
  error: unknown,
): Promise<void> {
  if (!(error instanceof KeyholdError)) return;
  // A tag is a plural: credentials, api-keys.
  const kind = tag.replace(/s$/, "").replaceAll("-", "_");
  await recordRefusal(caller, { kind, id: idOf(request) ?? "", action: operationId }, error);
}

/** The id in the path, normalised: another spelling must not have a count of its own. */
function idOf({ params }: FastifyRequest): string | null {
  return idParams.safeParse(params).data?.id ?? null;
}

/**
 * The headers of draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it. The narrower limit
 * of a route is set last and replaces the general one.
 */
export function showLimit(reply: FastifyReply, state: LimitState): void {
  const { limit, quota, remaining, resetSeconds } = state;
  void reply.header("ratelimit-policy", `"${limit}";q=${quota};w=60`);
  void reply.header("ratelimit", `"${limit}";r=${remaining};t=${resetSeconds}`);
}
