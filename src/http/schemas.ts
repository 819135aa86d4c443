import { z } from "zod";
import { type MemberRank, ranks } from "../access/ranks.ts";
import { component } from "./components.ts";
import { revisionOf } from "./etag.ts";
import { isStorable } from "./json-body.ts";

/** An id, in the one spelling that is used inside. */
export const id = z.uuid().toLowerCase();

export const idParams = z.strictObject({ id });

/** Text that the database can hold. */
export function text(longest: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(longest)
    .refine(isStorable, { message: "holds a character that cannot be stored" });
}

export const time = z.iso.datetime().meta({ description: "RFC 3339, in UTC" });

/** A time that a caller sends, in any zone. */
export const timeInput = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value))
  .meta({ description: "RFC 3339" });

/** When something is to end. One that has ended already is a slip of the year or the zone. */
export const endInput = timeInput.refine((end) => end.getTime() > Date.now(), {
  message: "is not in the future",
});

export const revision = z
  .int()
  .meta({ description: "Grows with every change; the ETag is this number in quotes" });

/** The `If-Match` header, as the revision that it names. */
export const ifMatch = z.string().optional().transform(revisionOf);

export const reason = component(
  "Reason",
  z.strictObject({ reason: text(1000).exactOptional() }).meta({ description: "Why, for the record" }),
  { reason: "The key was posted in a chat." },
);

const rank = z.enum(ranks);
const memberRank = z.enum(["trader", "admin", "owner"]) satisfies z.ZodType<MemberRank>;

export const switchedOffRank = memberRank.nullable().meta({
  description: "The rank that has switched it off, which switches it on again; null while it is on",
});

export const freezes = z
  .array(
    z.object({
      id,
      rank: rank.meta({ description: "Who lifts it: this rank or a higher one, and never an agent" }),
      by: z
        .object({
          kind: z.enum(["member", "system", "operator"]),
          member_id: id.optional(),
          task: z.string().optional(),
        })
        .nullable()
        .meta({ description: "Who made it; null for one that was made before this was kept" }),
      reason: z.string().nullable(),
      frozen_at: time,
    }),
  )
  .meta({ description: "The freezes that stand on it, the oldest first; it is used once all are lifted" });

export const freezeExample = {
  id: "4f1d2c3b-9a39-4b5f-8e1c-6a7a0e1c9a11",
  rank: "owner" as const,
  by: { kind: "member" as const, member_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2" },
  reason: "The key was posted in a chat.",
  frozen_at: "2026-11-20T09:00:00.000Z",
};

export const pageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(200))
    .default(50)
    .meta({
      description: "How many at most, 1 to 200; 50 when left out",
      type: "integer",
      minimum: 1,
      maximum: 200,
      default: 50,
    }),
  cursor: z
    .string()
    .min(1)
    .max(1024)
    .exactOptional()
    .meta({ description: "`next_cursor` of the page before" }),
});

/** Stands in an answer that is given again where the first one showed a secret. */
export const advice = z
  .string()
  .optional()
  .meta({ description: "Only in a repeated answer, which does not show the secret: how to get another" });

/** By what a person knows a member; null where the caller does not see that member. */
export const subject = z.string().nullable();
