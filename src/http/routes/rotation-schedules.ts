import { z } from "zod";
import { schedule, showSchedule, unschedule } from "../../credentials/rotation-at-venue/schedule.ts";
import { json, noContent } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { idParams } from "../schemas/common.ts";
import { newRotationSchedule, rotationSchedule } from "../schemas/rotation-schedules.ts";
import type { Parts } from "./parts.ts";

type Needs = Pick<Parts, "custody">;

const path = "/api/v1/credentials/:id/rotation/schedule";

/** When a secret is replaced, by Keyhold itself or by its owner. */
export function rotationScheduleRoutes(parts: Needs): readonly Route[] {
  return [put, show, remove].map((define) => define(parts));
}

function put({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "PUT",
    path,
    operationId: "scheduleRotation",
    tag: "credentials",
    summary: "Have its key replaced at the venue so often, or be reminded to",
    description:
      "With a parent key, Keyhold makes a key like the present one, puts it in force, and deletes the old one at the venue once nobody uses it. That is possible at venues whose API manages the keys of sub-accounts. Without a parent the event credential.rotation_due is sent.",
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

function show({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path,
    operationId: "showRotationSchedule",
    tag: "credentials",
    summary: "Show when it is rotated next, and how the last attempt went",
    permission: holdersOf("credentials:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams }),
    answer: json(200, "The schedule", rotationSchedule),
    handle: ({ caller, input: { params } }) => showSchedule(custody, caller, params.id),
  });
}

function remove({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path,
    operationId: "unscheduleRotation",
    tag: "credentials",
    summary: "Rotate it no more by itself; what is under way is brought to its end",
    permission: holdersOf("credentials:write"),
    audit: ["credential.rotation_unscheduled"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("It is not scheduled any more"),
    handle: ({ caller, input: { params } }) => unschedule(custody, caller, params.id),
  });
}
