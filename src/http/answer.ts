import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { z } from "zod";
import { etagOf } from "./schemas.ts";

/** An answer that is ready to be sent. */
export type Reply = Readonly<{
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Bytes are a secret: they are sent unchanged, then zeroed. */
  payload: string | Uint8Array | AsyncIterable<string> | null;
}>;

/** What is kept of an answer for a repeat. It holds nothing that may be shown only once. */
export type StoredAnswer = Readonly<{ status: number; body: object | null }>;

/** How a route answers: its description in the document, and how a value becomes a reply. */
export type Answer<T> = Readonly<{
  status: number;
  description: string;
  content: Readonly<{ type: string; schema: z.ZodType }> | null;
  encode(value: T): Reply;
}>;

/** An answer that can be kept under an Idempotency-Key. */
export type Keepable<T> = Answer<T> & Readonly<{ keep(value: object): StoredAnswer }>;

/** T, read-only at every level. */
type Shown<T> = T extends readonly (infer Item)[]
  ? readonly Shown<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Shown<T[Name]> }
    : T;

/**
 * A JSON document. The schema is an allow-list: a field that it does not name is not sent. The `revision` of
 * a body becomes its ETag.
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

/** A reply with a body that has been checked. */
export function jsonReply(status: number, body: object | null, headers: Record<string, string> = {}): Reply {
  if (body === null) return { status, headers, payload: null };
  const etag = "revision" in body && typeof body.revision === "number" ? { etag: etagOf(body.revision) } : {};
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...etag, ...headers },
    payload: JSON.stringify(body),
  };
}

/** 204, whatever the change returns. */
export function noContent(description: string): Keepable<object> {
  return {
    status: 204,
    description,
    content: null,
    encode: () => jsonReply(204, null),
    keep: () => ({ status: 204, body: null }),
  };
}

/**
 * A JSON document with a plaintext: its bytes are sent as they are, and zeroed afterwards. `schema` is for
 * the document.
 */
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

/** Lines of text, which are streamed. `schema` is for the document. */
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
 * The bytes are zeroed when the operating system has them, or when the client is gone: `close` follows
 * either. They pass no serializer and no hook that would copy them.
 */
function sendSecret(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  if (reply.raw.destroyed) bytes.fill(0);
  else reply.raw.once("close", () => bytes.fill(0));
  return reply.send(bytes);
}

/**
 * Every answer forbids a browser to frame it, to guess its type, and to let another site read it. OWASP REST
 * Security Cheat Sheet, "Security Headers". They are a constant, because building them for each answer costs
 * more than its route.
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
