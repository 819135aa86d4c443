import { z } from "zod";
import { freeze as freezeCredential, unfreeze as unfreezeCredential } from "../../credentials/freeze.ts";
import { remove as removeCredential, revoke as revokeCredential } from "../../credentials/revoke.ts";
import { json, noContent } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { idParams } from "../schemas.ts";
import { credential } from "./credentials.ts";
import { freezeRoutes, liftsFreezes, type Parts } from "./kinds.ts";

/** Freeze, revoke and delete a credential. */
export function credentialStateRoutes(parts: Parts): readonly Route[] {
  return [revoke, remove].map((define) => define(parts)).concat(freezeAndUnfreeze(parts));
}

function revoke({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/revoke",
    operationId: "revokeCredential",
    tag: "credentials",
    summary: "Revoke a credential",
    description: "Permanently destroys the secret. The credential's metadata and history remain.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.revoked", "credential.version_destroyed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The updated credential", credential),
    handle: ({ caller, input: { params } }) => revokeCredential(custody, caller, params.id),
  });
}

function remove({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/credentials/:id",
    operationId: "deleteCredential",
    tag: "credentials",
    summary: "Delete a credential",
    description: "Permanently destroys the secret and removes the credential. Its audit record remains.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.deleted", "credential.revoked", "credential.version_destroyed"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("The credential is deleted"),
    handle: ({ caller, input: { params } }) => removeCredential(custody, caller, params.id),
  });
}

function freezeAndUnfreeze({ custody }: Parts): readonly Route[] {
  return freezeRoutes({
    path: "/api/v1/credentials/:id",
    name: "Credential",
    tag: "credentials",
    summary: { freeze: "Freeze a credential", unfreeze: "Unfreeze a credential" },
    description: { freeze: "Stops every use of the credential immediately.", unfreeze: liftsFreezes },
    permission: holdersOf("credentials:write"),
    audit: { freeze: ["credential.frozen"], unfreeze: ["credential.unfrozen", "freeze.lifted"] },
    answer: json(200, "The updated credential", credential),
    freeze: (caller, id, reason) => freezeCredential(custody, caller, id, reason),
    unfreeze: (caller, id) => unfreezeCredential(custody, caller, id),
  });
}
