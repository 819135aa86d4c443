import { z } from "zod";
import { schedule, showSchedule, unschedule } from "../../credentials/rotation-at-venue/schedule.ts";
import { json, noContent } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, id, idParams, time, timeInput } from "../schemas.ts";
import { showRoute, type Parts } from "./kinds.ts";

const scheduleExample = {
  credential_id: "0b1f2a52-0f0e-4d7e-8a61-1a9c1f7d2e44",
  parent_credential_id: "7f3b8f5e-6a0b-4f0e-9d53-2f6c1c6c9f11",
  every_days: 30,
  next_at: "2026-12-20T09:00:00.000Z",
  failures: 0,
  last_failure: null,
  under_way: null,
};

const rotationSchedule = component(
  "RotationSchedule",
  z.object({
    credential_id: id,
    parent_credential_id: id.nullable().meta({
      description: "The credential whose key creates the new keys; `null` if the owner is reminded instead",
    }),
    every_days: z.int(),
    next_at: time,
    failures: z
      .int()
      .meta({ description: "Failures since the last success. A failed rotation is retried a day later" }),
    last_failure: z.object({ reason: z.string(), message: z.string(), at: time }).nullable(),
    under_way: z
      .object({
        stage: z.enum(["creating", "overlap", "withdrawing"]).meta({
          description: "Whether the new key is being created, in use beside the old one, or being removed",
        }),
        note: z.string().meta({ description: "The note on the new key at the venue" }),
        started_at: time,
        attempts: z.int().meta({ description: "Failed attempts at the current step" }),
      })
      .nullable(),
  }),
  scheduleExample,
);

const newRotationSchedule = component(
  "NewRotationSchedule",
  z.strictObject({
    parent_credential_id: id.nullable().meta({
      description: "A credential of the main account whose key may manage keys; `null` to be reminded",
    }),
    every_days: z.int().min(1).max(365),
    next_at: timeInput.exactOptional().meta({
      description:
        "The first rotation; immediately if this time has passed. Defaults to `every_days` from now",
    }),
  }),
  { parent_credential_id: "7f3b8f5e-6a0b-4f0e-9d53-2f6c1c6c9f11", every_days: 30 },
);

const path = "/api/v1/credentials/:id/rotation/schedule";

/** When a secret is replaced, by Keyhold or by its owner. */
export function rotationScheduleRoutes(parts: Parts): readonly Route[] {
  return [put, show, remove].map((define) => define(parts));
}

function put({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "PUT",
    path,
    operationId: "scheduleRotation",
    tag: "credentials",
    summary: "Schedule rotation",
    description:
      "With a parent credential, Keyhold regularly creates a new key with the same permissions, uses it, and deletes the old key at the venue once no caller needs it. This requires a venue whose API manages the keys of sub-accounts. Without a parent, Keyhold sends the event `credential.rotation_due` as a reminder.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.rotation_scheduled"],
    problems: ["illegal_state", "unsupported_by_venue"],
    idempotency: "kept",
    input: z.object({ params: idParams, body: newRotationSchedule }),
    answer: json(200, "The schedule", rotationSchedule),
    handle({ caller, input: { params, body } }) {
      const { parent_credential_id: parentId, every_days: everyDays, next_at: nextAt } = body;
      const first = nextAt === undefined ? {} : { nextAt };
      return schedule(custody, caller, params.id, { parentId, everyDays, ...first });
    },
  });
}

function show({ custody }: Parts): Route {
  return showRoute({
    path,
    operationId: "showRotationSchedule",
    tag: "credentials",
    summary: "Show a rotation schedule",
    permission: holdersOf("credentials:read"),
    answer: json(200, "The schedule", rotationSchedule),
    show: (caller, id) => showSchedule(custody, caller, id),
  });
}

function remove({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path,
    operationId: "unscheduleRotation",
    tag: "credentials",
    summary: "Delete a rotation schedule",
    description: "A rotation in progress is completed.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.rotation_unscheduled"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("The schedule is deleted"),
    handle: ({ caller, input: { params } }) => unschedule(custody, caller, params.id),
  });
}
