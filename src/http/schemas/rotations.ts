import { z } from "zod";
import { longestOverlapSeconds } from "../../credentials/versions.ts";
import { component } from "../components.ts";
import { id, time } from "./common.ts";
import { credential, credentialExample, newSecret } from "./credentials.ts";

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

export const rotation = component(
  "Rotation",
  z.object({
    id,
    state: z.enum(["overlap", "finished", "rolled_back"]),
    from_version: z.int(),
    to_version: z.int(),
    overlap_until: time.meta({ description: "Until when both versions are kept" }),
    fallbacks: z
      .int()
      .meta({ description: "How often the old version was used, because the venue refused the new one" }),
    last_fallback_at: time.nullable(),
    started_at: time,
    ended_at: time.nullable(),
  }),
  rotationExample,
);

export const newRotation = component(
  "NewRotation",
  newSecret.extend({
    overlap_seconds: z
      .int()
      .min(0)
      .max(longestOverlapSeconds)
      .exactOptional()
      .meta({ description: "How long both secrets are kept; 3600 when left out, 0 in an emergency" }),
    allow_wider: z
      .boolean()
      .exactOptional()
      .meta({ description: "Whether the new key may do more than the old one" }),
  }),
  { secret: { api_key: "the new key", api_secret: "the new secret" } },
);

export const finishing = component(
  "FinishRotation",
  z.strictObject({
    leave_key: z.boolean().exactOptional().meta({
      description: "Leave the old key at the venue, where Keyhold made the new one and would delete it",
    }),
  }),
  { leave_key: false },
);

export const rotated = component("Rotated", z.object({ credential, rotation }), {
  credential: credentialExample,
  rotation: rotationExample,
});

export const versions = component(
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
            "How often callers used it, or were shown it, during the last rotation; null without one, and for what is destroyed",
        }),
      }),
    ),
    rotation: rotation.nullable().meta({ description: "The last one, under way or ended" }),
    counted_since: time.nullable().meta({
      description: "When there were more uses than one answer counts: the time of the first that is counted",
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
            .meta({ description: "Whether the new secret was shown to the same caller since" }),
        }),
      )
      .meta({ description: "During an overlap: who fell back to the old version, or was shown it before" }),
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
