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
 * The bytes are zeroed when the operating system has them, or when nobody is there any more to take them. They pass no serializer
 * and no hook that would copy them.
 */
function sendSecret(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  const zero = (): unknown => bytes.fill(0);
  reply.raw.once("finish", zero).once("close", zero);
  if (reply.raw.destroyed) zero();
  return reply.send(bytes);
}
