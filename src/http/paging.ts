import { timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { lengthPrefixed } from "../crypto/bytes.ts";
import type { After, Page, PageRequest } from "../db/page.ts";
import { KeyholdError } from "../errors.ts";
import type { Sign } from "./sign.ts";

/** The tenant, the list and the filter that a cursor belongs to. It is refused anywhere else. */
export type CursorScope = Readonly<{
  tenantId: string | null;
  list: string;
  filter: Readonly<Record<string, unknown>>;
}>;

const tagLength = 16;

/** Signed positions in lists. A cursor contains only times and ids of rows that the caller has been shown. */
export class Cursors {
  readonly #sign: Sign;

  constructor(sign: Sign) {
    this.#sign = sign;
  }

  async seal(scope: CursorScope, position: unknown): Promise<string> {
    const payload = Buffer.from(JSON.stringify(position)).toString("base64url");
    return `${payload}.${await this.#tag(scope, payload)}`;
  }

  /**
   * Throws `malformed` for a cursor that was changed, or that was made for another tenant, list or filter.
   */
  async open<T>(scope: CursorScope, cursor: string, position: z.ZodType<T>): Promise<T> {
    const [payload = "", tag = ""] = cursor.split(".");
    const given = Buffer.from(tag);
    const expected = Buffer.from(await this.#tag(scope, payload));
    if (given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected)) throw foreign();
    const parsed = position.safeParse(JSON.parse(Buffer.from(payload, "base64url").toString()));
    if (!parsed.success) throw foreign();
    return parsed.data;
  }

  async #tag({ tenantId, list, filter }: CursorScope, payload: string): Promise<string> {
    const ordered = Object.entries(filter).toSorted(([one], [other]) => (one < other ? -1 : 1));
    const bytes = lengthPrefixed([list, JSON.stringify(ordered), payload]);
    const tag = await this.#sign(tenantId, "cursor", bytes);
    return Buffer.from(tag).subarray(0, tagLength).toString("base64url");
  }
}

function foreign(): KeyholdError {
  return new KeyholdError(
    "malformed",
    "The cursor does not belong to this list with this filter. Begin without it.",
  );
}

const position = z.tuple([z.iso.datetime(), z.uuid()]);
const sequence = z.tuple([z.int().positive()]);

/** Lists by age, whose position is the time and id of a row. */
export async function pageByAge<T>(
  cursors: Cursors,
  scope: Omit<CursorScope, "filter">,
  { limit, cursor, ...filter }: Readonly<{ limit: number; cursor?: string }>,
  read: (page: PageRequest) => Promise<Page<T>>,
) {
  const whole = { ...scope, filter };
  const { items, next } = await read({ limit, after: await open(cursors, whole, cursor) });
  return {
    items,
    count: items.length,
    next_cursor: next === null ? null : await cursors.seal(whole, seal(next)),
  };
}

async function open(cursors: Cursors, scope: CursorScope, cursor: string | undefined): Promise<After | null> {
  if (cursor === undefined) return null;
  const [time, id] = await cursors.open(scope, cursor, position);
  return { createdAt: new Date(time), id };
}

function seal({ createdAt, id }: After): readonly [string, string] {
  return [createdAt.toISOString(), id];
}

/** Lists by number, whose position is the number that was shown last. */
export async function pageByNumber<T>(
  cursors: Cursors,
  scope: Omit<CursorScope, "filter">,
  { limit, cursor, ...filter }: Readonly<{ limit: number; cursor?: string }>,
  read: (
    page: Readonly<{ limit: number; beforeSeq: number | null }>,
  ) => Promise<Readonly<{ items: readonly T[]; next: number | null }>>,
) {
  const whole = { ...scope, filter };
  const [beforeSeq] = cursor === undefined ? [null] : await cursors.open(whole, cursor, sequence);
  const { items, next } = await read({ limit, beforeSeq });
  return {
    items,
    count: items.length,
    next_cursor: next === null ? null : await cursors.seal(whole, [next]),
  };
}
