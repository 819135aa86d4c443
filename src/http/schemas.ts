import { z } from "zod";
import { ranks, type MemberRank } from "../access/principal.ts";
import { KeyholdError } from "../errors.ts";
import { isStorable } from "./json-body.ts";

/** The schemas that have a name in the OpenAPI document. */
export const components = z.registry<{
  id: string;
  example: unknown;
  examples?: Readonly<Record<string, { value: unknown }>>;
}>();

/** Replaces the one example of a body by an example of each of its forms. */
export function showExamples<T>(
  schema: z.ZodType,
  of: Readonly<Record<string, T>>,
  show: (one: T, name: string) => unknown,
): void {
  const known = components.get(schema);
  if (known === undefined) throw new Error("only a component has examples");
  const examples = Object.fromEntries(
    Object.entries(of).map(([name, one]) => [name, { value: show(one, name) }]),
  );
  components.add(schema, { ...known, examples });
}

/**
 * Gives a schema its name in the OpenAPI document and an example; a test holds every example against its
 * schema.
 */
export function component<S extends z.ZodType>(id: string, schema: S, example: z.input<S>): S {
  return named(id, schema, example);
}

/** A page of a list, newest first, under its name in the document. */
export function listOf<S extends z.ZodType>(id: string, item: S, example: z.input<S>) {
  const page = z.object({
    items: z.array(item),
    next_cursor: z
      .string()
      .nullable()
      .meta({ description: "Pass it as `cursor` to get the next page; null on the last page" }),
    count: z.int().meta({ description: "Number of items on this page" }),
  });
  return named(id, page, { items: [example], next_cursor: null, count: 1 });
}

function named<S extends z.ZodType>(id: string, schema: S, example: unknown): S {
  const described = schema.meta({ examples: [example] });
  components.add(described, { id, example });
  return described;
}

/** An id, in lower case. */
export const id = z.uuid().toLowerCase();

export const idParams = z.strictObject({ id });

/** Text that the database can store. */
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

/** An end in the future. One that has passed is most likely a wrong year or time zone. */
export const endInput = timeInput.refine((end) => end.getTime() > Date.now(), {
  message: "is not in the future",
});

export const revision = z
  .int()
  .meta({ description: "Increases with every change. The ETag is this number in quotes" });

/** A resource's ETag is its revision. It is a strong one, because every change makes a new revision. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}

/**
 * The revision that the caller has read, from `If-Match` (RFC 9110 §13.1.1). Throws `precondition_required`
 * without the header, and `stale` for anything that is not an ETag of Keyhold. `*` counts as no header: it
 * matches any revision.
 */
export function revisionOf(ifMatch: string | undefined): number {
  if (ifMatch === undefined || ifMatch === "*") {
    throw new KeyholdError(
      "precondition_required",
      "Send If-Match with the ETag that you read, so that you do not overwrite another change.",
    );
  }
  const digits = /^"(\d{1,15})"$/.exec(ifMatch)?.[1];
  if (digits === undefined)
    throw new KeyholdError(
      "stale",
      "If-Match does not contain an ETag of this resource. Read the resource again.",
    );
  return Number(digits);
}

/** The `If-Match` header, as a revision. */
export const ifMatch = z.string().optional().transform(revisionOf);

export const reason = component(
  "Reason",
  z
    .strictObject({ reason: text(1000).exactOptional() })
    .meta({ description: "The reason, kept in the audit record" }),
  { reason: "The key was posted in a chat." },
);

const rank = z.enum(ranks);
const memberRank = z.enum(["trader", "admin", "owner"]) satisfies z.ZodType<MemberRank>;

export const switchedOffRank = memberRank.nullable().meta({
  description:
    "The rank of the caller who switched it off. Only this rank or a higher one can switch it on again; null while it is on",
});

export const freezes = z
  .array(
    z.object({
      id,
      rank: rank.meta({ description: "This rank or a higher one can lift the freeze. An agent never can" }),
      by: z
        .object({
          kind: z.enum(["member", "system", "operator"]),
          member_id: id.optional(),
          task: z.string().optional(),
        })
        .nullable()
        .meta({ description: "Who froze it; null for a freeze made before Keyhold stored this" }),
      reason: z.string().nullable(),
      frozen_at: time,
    }),
  )
  .meta({ description: "Freezes in force, oldest first. Use is blocked until all are lifted" });

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
      description: "Maximum number of items, 1 to 200. Defaults to 50",
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
    .meta({ description: "`next_cursor` of the previous page" }),
});

/** Present in a repeated response whose first version showed a secret. */
export const advice = z
  .string()
  .optional()
  .meta({ description: "Only in a repeated response, which omits the secret: how to get a new one" });

/** The name by which people know a member; null if the caller cannot see that member. */
export const subject = z.string().nullable();
