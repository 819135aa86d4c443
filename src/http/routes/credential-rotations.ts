import { z } from "zod";
import { listVersions } from "../../credentials/list.ts";
import { rotate as rotateCredential } from "../../credentials/rotate.ts";
import { finishRotation, rollBack } from "../../credentials/rotation.ts";
import { longestOverlapSeconds } from "../../credentials/versions.ts";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, id, idParams, ifMatch, time } from "../schemas.ts";
import { credential, credentialExample, newSecret, takeSecret } from "./credentials.ts";
import { showRoute, type Parts } from "./kinds.ts";

const rotationExample = {
  id: "0b1f2a52-0f0e-4d7e-8a61-1a9c1f7d2e44",
  state: "overlap" as const,
  from_version: 1,
  to_version: 2,
  overlap_until: "2026-11-20T10:00:00.000Z",
  fallbacks: 0,
  last_fallback_at: null,
  started_at: "2026-11-20T09:00:00.000Z",
  ended_at: null,
};

const rotation = component(
  "Rotation",
  z.object({
    id,
    state: z.enum(["overlap", "finished", "rolled_back"]),
    from_version: z.int(),
    to_version: z.int(),
    overlap_until: time.meta({ description: "Both versions are kept until this time" }),
    fallbacks: z
      .int()
      .meta({ description: "How often the old version was used because the venue refused the new one" }),
    last_fallback_at: time.nullable(),
    started_at: time,
    ended_at: time.nullable(),
  }),
  rotationExample,
);

const newRotation = component(
  "NewRotation",
  newSecret.extend({
    overlap_seconds: z
      .int()
      .min(0)
      .max(longestOverlapSeconds)
      .exactOptional()
      .meta({ description: "How long both secrets are kept. Defaults to 3600; use 0 in an emergency" }),
    allow_wider: z
      .boolean()
      .exactOptional()
      .meta({ description: "Whether the new key may have more permissions than the old one" }),
  }),
  { secret: { api_key: "the new key", api_secret: "the new secret" } },
);

const finishing = component(
  "FinishRotation",
  z.strictObject({
    leave_key: z.boolean().exactOptional().meta({
      description:
        "Keep the old key at the venue. By default Keyhold deletes it if it created the new key itself",
    }),
  }),
  { leave_key: false },
);

const rotated = component("Rotated", z.object({ credential, rotation }), {
  credential: credentialExample,
  rotation: rotationExample,
});

const versions = component(
  "Versions",
  z.object({
    items: z.array(
      z.object({
        version: z.int(),
        state: z.enum(["current", "retired", "destroyed"]),
        store: z.string(),
        created_at: time,
        destroyed_at: time.nullable(),
        uses: z.int().nullable().meta({
          description:
            "How often callers used this version, or revealed it, during the last rotation; null without a rotation, and for a destroyed version",
        }),
      }),
    ),
    rotation: rotation.nullable().meta({ description: "The last rotation, in progress or ended" }),
    counted_since: time.nullable().meta({
      description:
        "Set if there were more uses than one response counts: the time of the first use that is counted",
    }),
    old_version_uses: z
      .array(
        z.object({
          actor: z.record(z.string(), z.unknown()),
          how: z.enum(["fallback", "revealed"]),
          count: z.int(),
          last_at: time,
          has_new: z
            .boolean()
            .meta({ description: "Whether the new secret has been revealed to the same caller since" }),
        }),
      )
      .meta({
        description:
          "During an overlap: the callers that fell back to the old version, or revealed it earlier",
      }),
  }),
  {
    items: [
      {
        version: 2,
        state: "current",
        store: "postgres",
        created_at: "2026-11-20T09:00:00.000Z",
        destroyed_at: null,
        uses: 12,
      },
    ],
    rotation: rotationExample,
    counted_since: null,
    old_version_uses: [],
  },
);

/** Replace a secret with an overlap. */
export function credentialRotationRoutes(parts: Parts): readonly Route[] {
  return [rotate, roll, finish, list].map((define) => define(parts));
}

function rotate({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/rotate",
    operationId: "rotateCredential",
    tag: "credentials",
    summary: "Rotate a secret",
    description:
      "Checks the new secret with the venue, then uses it. During the overlap, a use falls back to the old secret if the venue refuses the new one.",
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
    answer: json(200, "The updated credential and the rotation", rotated),
    async handle({ caller, input: { params, ifMatch: revision, body } }) {
      using fields = takeSecret(body.secret);
      const { overlap_seconds: overlapSeconds, allow_wider: allowWider = false } = body;
      const overlap = overlapSeconds === undefined ? {} : { overlapSeconds };
      return await rotateCredential(custody, caller, params.id, revision, { fields, allowWider, ...overlap });
    },
  });
}

function roll({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/rotation/rollback",
    operationId: "rollBackRotation",
    tag: "credentials",
    summary: "Roll back a rotation",
    description: "Restores the old secret and destroys the new one. Possible only during the overlap.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.rotation_rolled_back", "credential.version_destroyed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch }),
    answer: json(200, "The updated credential and the rotation", rotated),
    handle: ({ caller, input: { params, ifMatch: revision } }) =>
      rollBack(custody, caller, params.id, revision),
  });
}

function finish({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/rotation/finish",
    operationId: "finishRotation",
    tag: "credentials",
    summary: "Finish a rotation",
    description:
      "Ends the overlap now and destroys the old secret. If Keyhold created the new key at the venue, it deletes the old key there first.",
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

function list({ custody }: Parts): Route {
  return showRoute({
    path: "/api/v1/credentials/:id/versions",
    operationId: "listVersions",
    tag: "credentials",
    summary: "List the versions of a secret",
    permission: holdersOf("credentials:read"),
    answer: json(200, "The versions, newest first", versions),
    show: (caller, id) => listVersions(custody, caller, id),
  });
}
