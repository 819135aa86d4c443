import { z } from "zod";
import { freeze as freezeCredential, unfreeze as unfreezeCredential } from "../../credentials/freeze.ts";
import { remove as removeCredential, revoke as revokeCredential } from "../../credentials/revoke.ts";
import { json, noContent } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import type { Parts } from "./parts.ts";
import { idParams, reason } from "../schemas.ts";
import { credential } from "./credentials.ts";

type Needs = Pick<Parts, "custody">;

/** Stop a credential for a while, or for good. */
export function credentialStateRoutes(parts: Needs): readonly Route[] {
  return [freeze, unfreeze, revoke, remove].map((define) => define(parts));
}

function freeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/freeze",
    operationId: "freezeCredential",
    tag: "credentials",
    summary: "Stop every use of a credential at once",
    permission: holdersOf("credentials:write"),
    audit: ["credential.frozen"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, body: reason.optional() }),
    answer: json(200, "The credential as it is now", credential),
    handle: ({ caller, input: { params, body } }) =>
      freezeCredential(custody, caller, params.id, body?.reason ?? null),
  });
}

function unfreeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/unfreeze",
    operationId: "unfreezeCredential",
    tag: "credentials",
    summary: "Allow the use of a credential again",
    description:
      "Lifts the freezes that your rank may lift: those of your own rank and of lower ones. The answer shows those that are left, by which it stays frozen. When you may lift none, the answer is `forbidden`.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.unfrozen", "freeze.lifted"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The credential as it is now", credential),
    handle: ({ caller, input: { params } }) => unfreezeCredential(custody, caller, params.id),
  });
}

function revoke({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/revoke",
    operationId: "revokeCredential",
    tag: "credentials",
    summary: "Destroy a secret for good, and keep what is known of it",
    permission: holdersOf("credentials:write"),
    audit: ["credential.revoked", "credential.version_destroyed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The credential as it is now", credential),
    handle: ({ caller, input: { params } }) => revokeCredential(custody, caller, params.id),
  });
}

function remove({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/credentials/:id",
    operationId: "deleteCredential",
    tag: "credentials",
    summary: "Destroy a secret for good, and remove the credential",
    permission: holdersOf("credentials:write"),
    audit: ["credential.deleted", "credential.revoked", "credential.version_destroyed"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("It is gone; its record stays"),
    handle: ({ caller, input: { params } }) => removeCredential(custody, caller, params.id),
  });
}
