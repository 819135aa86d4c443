import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { z } from "zod";
import { etagOf } from "./etag.ts";

/** An answer that is ready to be sent. */
export type Reply = Readonly<{
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Bytes are a secret: they are sent as they are and zeroed. */
  payload: string | Uint8Array | AsyncIterable<string> | null;
}>;

/** What is kept of an answer, to be given again. Holds nothing that may be shown only once. */
export type StoredAnswer = Readonly<{ status: number; body: object | null }>;

/** How a route answers: what the document says of it, and how a value becomes a reply. */
export type Answer<T> = Readonly<{
  status: number;
  description: string;
  content: Readonly<{ type: string; schema: z.ZodType }> | null;
  encode(value: T): Reply;
}>;

/** An answer that an Idempotency-Key can keep: nothing of it may be shown only once. */
export type Keepable<T> = Answer<T> & Readonly<{ keep(value: object): StoredAnswer }>;

/** What of T is shown: the same, with nothing to be written to. */
type Shown<T> = T extends readonly (infer Item)[]
  ? readonly Shown<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Shown<T[Name]> }
    : T;

/**
 * A JSON document. The schema is an allow-list: a field that it does not name is not sent. A body with a `revision` has it as
 * its ETag.
 */
export function json<S extends z.ZodType<object>>(
  status: number,
  description: string,
  schema: S,
  {
    location,
    keep = (body) => body,
  }: Readonly<{
    /** The path of what was made. */
    location?: (value: Shown<z.output<S>>) => string;
    /** Takes out what may be shown only once, and says how to replace it. */
    keep?: (body: z.output<S>) => z.output<S>;
  }> = {},
): Keepable<Shown<z.output<S>>> {
  return {
    status,
    description,
    content: { type: "application/json", schema },
    encode: (value) => {
      const headers = location === undefined ? {} : { location: location(value) };
      return jsonReply(status, schema.parse(value), headers);
    },
    keep: (value) => ({ status, body: keep(schema.parse(value)) }),
  };
}

/** A reply of a body that is checked already. */
export function jsonReply(status: number, body: object | null, headers: Record<string, string> = {}): Reply {
  if (body === null) return { status, headers, payload: null };
  const etag = "revision" in body && typeof body.revision === "number" ? { etag: etagOf(body.revision) } : {};
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...etag, ...headers },
    payload: JSON.stringify(body),
  };
}

/** 204, whatever the change made. */
export function noContent(description: string): Keepable<object> {
  return {
    status: 204,
    description,
    content: null,
    encode: () => jsonReply(204, null),
    keep: () => ({ status: 204, body: null }),
  };
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
    }),
  };
}

/** Lines of text, sent as they are made. `schema` is for the document. */
export function lines(description: string, type: string, schema: z.ZodType): Answer<AsyncIterable<string>> {
  return {
    status: 200,
    description,
    content: { type, schema },
    encode: (payload) => ({ status: 200, headers: { "content-type": type }, payload }),
  };
}

export function sendReply(reply: FastifyReply, { status, headers, payload }: Reply): FastifyReply {
  void reply.code(status).headers(headers);
  if (payload instanceof Uint8Array) return sendSecret(reply, payload);
  if (payload === null || typeof payload === "string") return reply.send(payload ?? undefined);
  return reply.send(Readable.from(payload));
}

/**
 * The bytes are zeroed when the operating system has them, or when nobody is there any more to take them: `close` comes after
 * either. They pass no serializer and no hook that would copy them.
 */
function sendSecret(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  if (reply.raw.destroyed) bytes.fill(0);
  else reply.raw.once("close", () => bytes.fill(0));
  return reply.send(bytes);
}

/**
 * What every answer tells a browser that comes upon it: it is no page, to be neither framed, nor sniffed, nor read by another site.
 * OWASP REST Security Cheat Sheet, "Security Headers". A constant: put together for each answer they cost more than its route.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
