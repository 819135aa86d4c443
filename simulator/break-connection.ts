import type { FastifyReply } from "fastify";
import type { Fault } from "./faults.ts";

type Breaking = Extract<Fault, { kind: "hang" | "drip" | "reset" | "huge" }>;

const defaultDripMs = 50;
const chunk = Buffer.alloc(65_536, "0");

/** Fails below HTTP: takes the connection away from the server and treats it badly. */
export function breakConnection(fault: Breaking, reply: FastifyReply): FastifyReply {
  reply.hijack();
  switch (fault.kind) {
    case "hang":
      break;
    case "reset":
      reply.raw.socket?.resetAndDestroy();
      break;
    case "drip":
      drip(reply, fault.everyMs ?? defaultDripMs);
      break;
    case "huge":
      flood(reply, fault.bytes);
      break;
  }
  return reply;
}

function drip(reply: FastifyReply, everyMs: number): void {
  reply.raw.writeHead(200, { "content-type": "application/json" });
  reply.raw.write("[0");
  const timer = setInterval(() => reply.raw.write(","), everyMs);
  reply.raw.once("close", () => clearInterval(timer));
}

function flood(reply: FastifyReply, bytes: number): void {
  reply.raw.writeHead(200, { "content-type": "application/json", "content-length": String(bytes) });
  let left = bytes;
  const pour = (): void => {
    while (left > 0 && !reply.raw.destroyed) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      if (!reply.raw.write(part)) {
        reply.raw.once("drain", pour);
        return;
      }
    }
    reply.raw.end();
  };
  pour();
}
