import type { z } from "zod";
import { etagOf } from "./etag.ts";

/** An answer that is ready to be sent. */
export type Reply = Readonly<{
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Bytes are a secret: they are sent as they are and zeroed. */
  payload: string | Uint8Array | AsyncIterable<string> | null;
  /** What an Idempotency-Key keeps of it: nothing that is shown only once. */
  kept: object | null;
}>;

/** How a route answers: what the document says of it, and how a value becomes a reply. */
export type Answer<T> = Readonly<{
  status: number;
  description: string;
  content: Readonly<{ type: string; schema: z.ZodType }> | null;
  encode(value: T): Reply;
}>;

/** What of T is shown: the same, with nothing to be written to. */
export type Shown<T> = T extends readonly (infer Item)[]
  ? readonly Shown<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Shown<T[Name]> }
    : T;

type JsonOptions<T> = Readonly<{
  /** Where the thing that was made is found. */
  location?: (value: T) => string;
  /** Takes out what may be shown only once. */
  keep?: (value: T) => T;
}>;

/**
 * A JSON document. The schema is an allow-list: a field that it does not name is not sent. A body with a `revision` has it as
 * its ETag.
 */
export function json<S extends z.ZodType>(
  status: number,
  description: string,
  schema: S,
  options: JsonOptions<Shown<z.output<S>>> = {},
): Answer<Shown<z.output<S>>> {
  const encode = (value: Shown<z.output<S>>): Reply => {
    const { location, keep } = options;
    const headers = location === undefined ? {} : { location: location(value) };
    const reply = jsonReply(status, asObject(schema.parse(value)), headers);
    return keep === undefined ? reply : { ...reply, kept: asObject(schema.parse(keep(value))) };
  };
  return { status, description, content: { type: "application/json", schema }, encode };
}

/** A reply of a body that is checked already. */
export function jsonReply(status: number, body: object | null, headers: Record<string, string> = {}): Reply {
  if (body === null) return { status, headers, payload: null, kept: null };
  const etag = "revision" in body && typeof body.revision === "number" ? { etag: etagOf(body.revision) } : {};
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...etag, ...headers },
    payload: JSON.stringify(body),
    kept: body,
  };
}

/** 204. */
export function noContent(description: string): Answer<void> {
  return { status: 204, description, content: null, encode: () => jsonReply(204, null) };
}

/** A JSON document that holds plaintext: the bytes go to the socket as they are, and are zeroed there. `schema` is for the document. */
export function secretBytes(description: string, schema: z.ZodType): Answer<Uint8Array> {
  return {
    status: 200,
    description,
    content: { type: "application/json", schema },
    encode: (payload) => ({
      status: 200,
      headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
      payload,
      kept: null,
    }),
  };
}

/** Lines of text, sent as they are made. `schema` is for the document. */
export function lines(description: string, type: string, schema: z.ZodType): Answer<AsyncIterable<string>> {
  return {
    status: 200,
    description,
    content: { type, schema },
    encode: (payload) => ({ status: 200, headers: { "content-type": type }, payload, kept: null }),
  };
}

function asObject(body: unknown): object {
  if (typeof body === "object" && body !== null) return body;
  throw new TypeError("a JSON answer is an object");
}
