import type { FastifyReply, FastifyRequest } from "fastify";
import type { Authenticator } from "../access/authenticate.ts";
import { KeyholdError } from "../errors.ts";
import { LimitExceeded, type LimitState, type RateLimits } from "../access/rate-limits.ts";
import type { Strangers } from "../access/strangers.ts";
import { failureOf } from "../access/unauthenticated.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Caller } from "./permission.ts";
import type { Route } from "./route.ts";
import { idParams } from "./schemas/common.ts";

export type DoorKeeping = Readonly<{
  authenticator: Pick<Authenticator, "authenticate">;
  strangers: Pick<Strangers, "admit">;
  limits: Pick<RateLimits, "take">;
  metrics: Pick<Metrics, "authenticationFailures">;
}>;

/**
 * Who calls, before anything of the body is read: authenticates, counts the request for its tenant, and checks the route's
 * permission. Throws `unauthenticated`, `rate_limited`, `forbidden`, `not_ready`.
 */
export async function identify(
  { authenticator, strangers, limits, metrics }: DoorKeeping,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Caller> {
  if (route.admission.permission === "public") return null;
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
  tellLimit(reply, await limits.take("requests", caller));
  route.admission.admit(caller);
  if (route.limit !== undefined)
    tellLimit(reply, await limits.take(route.limit, caller, credentialOf(request)));
  return caller;
}

/** The id in the path in the spelling that is used inside: another spelling must not have a count of its own. */
function credentialOf({ params }: FastifyRequest): string | null {
  return idParams.safeParse(params).data?.id ?? null;
}

/** draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it. The narrower limit of a route comes last and stands. */
export function tellLimit(reply: FastifyReply, state: LimitState): void {
  const { limit, quota, remaining, resetSeconds } = state;
  void reply.header("ratelimit-policy", `"${limit}";q=${quota};w=60`);
  void reply.header("ratelimit", `"${limit}";r=${remaining};t=${resetSeconds}`);
}
