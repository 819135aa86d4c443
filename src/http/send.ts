import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { Reply } from "./answer.ts";

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
