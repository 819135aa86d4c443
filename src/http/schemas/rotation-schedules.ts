import { z } from "zod";
import { component } from "../components.ts";
import { id, time, timeInput } from "./common.ts";

const scheduleExample = {
  credential_id: "0b1f2a52-0f0e-4d7e-8a61-1a9c1f7d2e44",
  parent_credential_id: "7f3b8f5e-6a0b-4f0e-9d53-2f6c1c6c9f11",
  every_days: 30,
  next_at: "2026-12-20T09:00:00.000Z",
  failures: 0,
  last_failure: null,
  under_way: null,
};

export const rotationSchedule = component(
  "RotationSchedule",
  z.object({
    credential_id: id,
    parent_credential_id: id
      .nullable()
      .meta({ description: "The key that makes the new ones; `null` where the owner is reminded instead" }),
    every_days: z.int(),
    next_at: time,
    failures: z.int().meta({ description: "Since the last success; what failed is tried again a day later" }),
    last_failure: z.object({ reason: z.string(), message: z.string(), at: time }).nullable(),
    under_way: z
      .object({
        stage: z.enum(["creating", "overlap", "withdrawing"]).meta({
          description: "Whether the new key is being made, in force beside the old one, or to go again",
        }),
        note: z.string().meta({ description: "The note on the new key at the venue" }),
        started_at: time,
        attempts: z.int().meta({ description: "How often the present step could not be done" }),
      })
      .nullable(),
  }),
  scheduleExample,
);

export const newRotationSchedule = component(
  "NewRotationSchedule",
  z.strictObject({
    parent_credential_id: id.nullable().meta({
      description: "A key of the main account with the right to manage keys; `null` to be reminded",
    }),
    every_days: z.int().min(1).max(365),
    next_at: timeInput
      .exactOptional()
      .meta({ description: "The first time, now if it has passed; after `every_days` when left out" }),
  }),
  { parent_credential_id: "7f3b8f5e-6a0b-4f0e-9d53-2f6c1c6c9f11", every_days: 30 },
);
