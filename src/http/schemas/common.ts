import { z } from "zod";
import { component } from "../components.ts";
import { revisionOf } from "../etag.ts";
import { isStorable } from "../json-body.ts";

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

export const pageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(200))
    .default(50)
    .meta({ description: "How many at most, 1 to 200; 50 when left out" }),
  cursor: z
    .string()
    .min(1)
    .max(1024)
    .exactOptional()
    .meta({ description: "`next_cursor` of the page before" }),
});
