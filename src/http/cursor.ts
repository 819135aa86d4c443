import { timingSafeEqual } from "node:crypto";
import type { z } from "zod";
import { KeyholdError } from "../errors.ts";
import type { Sign } from "./sign.ts";
import { lengthPrefixed } from "../crypto/bytes.ts";

/** Whose list it is, which one, and how it is filtered: a cursor is good for nothing else. */
export type CursorScope = Readonly<{
  tenantId: string | null;
  list: string;
  filter: Readonly<Record<string, unknown>>;
}>;

const tagLength = 16;

/** Signed positions in lists. A cursor tells the times and ids of rows that the caller has been shown, and nothing else. */
export class Cursors {
  readonly #sign: Sign;

  constructor(sign: Sign) {
    this.#sign = sign;
  }

  async seal(scope: CursorScope, position: unknown): Promise<string> {
    const payload = Buffer.from(JSON.stringify(position)).toString("base64url");
    return `${payload}.${await this.#tag(scope, payload)}`;
  }

  /** Throws `malformed` for a cursor that was changed, or that was made for another tenant, list or filter. */
  async open<T>(scope: CursorScope, cursor: string, position: z.ZodType<T>): Promise<T> {
    const [payload = "", tag = ""] = cursor.split(".");
    const given = Buffer.from(tag);
    const expected = Buffer.from(await this.#tag(scope, payload));
    if (given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected)) throw notOurs();
    const parsed = position.safeParse(JSON.parse(Buffer.from(payload, "base64url").toString()));
    if (!parsed.success) throw notOurs();
    return parsed.data;
  }

  async #tag({ tenantId, list, filter }: CursorScope, payload: string): Promise<string> {
    const ordered = Object.entries(filter).toSorted(([one], [other]) => (one < other ? -1 : 1));
    const bytes = lengthPrefixed([list, JSON.stringify(ordered), payload]);
    const tag = await this.#sign(tenantId, "cursor", bytes);
    return Buffer.from(tag).subarray(0, tagLength).toString("base64url");
  }
}

function notOurs(): KeyholdError {
  return new KeyholdError(
    "malformed",
    "The cursor does not belong to this list with this filter. Begin without it.",
  );
}
