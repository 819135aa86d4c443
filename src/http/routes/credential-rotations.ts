import { z } from "zod";
import { listVersions } from "../../credentials/list.ts";
import { rotate as rotateCredential } from "../../credentials/rotate.ts";
import { finishRotation, rollBack } from "../../credentials/rotation.ts";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { idParams, ifMatch } from "../schemas/common.ts";
import { takeSecret } from "../schemas/credentials.ts";
import { finishing, newRotation, rotated, rotation, versions } from "../schemas/rotations.ts";
import type { Parts } from "./parts.ts";

type Needs = Pick<Parts, "custody">;

/** A new secret in the place of an old one, with an overlap. */
export function credentialRotationRoutes(parts: Needs): readonly Route[] {
  return [rotate, roll, finish, list].map((define) => define(parts));
}

function rotate({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/rotate",
    operationId: "rotateCredential",
    tag: "credentials",
    summary: "Put a new secret in its place, and keep the old one for an overlap",
    description:
      "The venue is asked about the new secret first. From then on it is used; for the overlap a use falls back to the old one where the venue refuses the new one.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.used", "credential.rotation_started", "credential.rotation_refused"],
    problems: [
      "illegal_state",
      "frozen",
      "same_secret",
      "venue_rejected",
      "venue_ambiguous",
      "venue_unproven",
      "venue_account",
      "venue_permission",
      "venue_ip",
      "venue_unavailable",
      "wider_permissions",
      "withdraw_refused",
      "permissions_unknown",
      "store_unavailable",
      "store_denied",
      "key_unavailable",
      "record_unavailable",
    ],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: newRotation }),
    answer: json(200, "The credential as it is now, and the rotation", rotated),
    async handle({ caller, input: { params, ifMatch: revision, body } }) {
      using fields = takeSecret(body.secret);
      const { overlap_seconds: overlapSeconds, allow_wider: allowWider = false } = body;
      const overlap = overlapSeconds === undefined ? {} : { overlapSeconds };
      return await rotateCredential(custody, caller, params.id, revision, { fields, allowWider, ...overlap });
    },
  });
}

function roll({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/rotation/rollback",
    operationId: "rollBackRotation",
    tag: "credentials",
    summary: "Put the old secret back while the overlap lasts, and destroy the new one",
    permission: holdersOf("credentials:write"),
    audit: ["credential.rotation_rolled_back", "credential.version_destroyed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch }),
    answer: json(200, "The credential as it is now, and the rotation", rotated),
    handle: ({ caller, input: { params, ifMatch: revision } }) =>
      rollBack(custody, caller, params.id, revision),
  });
}

function finish({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/rotation/finish",
    operationId: "finishRotation",
    tag: "credentials",
    summary: "End the overlap now, and destroy the old secret",
    description: "Where Keyhold made the new key at the venue, the old one is deleted there first.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.rotation_finished", "credential.key_deleted", "credential.version_destroyed"],
    problems: [
      "illegal_state",
      "frozen",
      "venue_refused",
      "venue_unavailable",
      "store_unavailable",
      "store_denied",
      "key_unavailable",
      "record_unavailable",
    ],
    idempotency: "kept",
    input: z.object({ params: idParams, body: finishing.optional() }),
    answer: json(200, "The rotation", rotation),
    handle: ({ caller, input: { params, body } }) =>
      finishRotation(custody, caller, params.id, { leaveKey: body?.leave_key ?? false }),
  });
}

function list({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/credentials/:id/versions",
    operationId: "listVersions",
    tag: "credentials",
    summary: "Show the versions of a secret, and who may still need the old one",
    permission: holdersOf("credentials:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams }),
    answer: json(200, "The versions, newest first", versions),
    handle: ({ caller, input: { params } }) => listVersions(custody, caller, params.id),
  });
}
