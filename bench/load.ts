import { join } from "node:path";
import { z } from "zod";
import { forkChild, nextMessage } from "./children.ts";

/** One retrieval as a client sends it. */
const call = z.object({
  path: z.string(),
  token: z.string(),
  /** A read of Vault's own in place of a retrieval. */
  reads: z.literal("vault").optional(),
});
export type Call = z.output<typeof call>;

/** What an open loop is to send: a constant number of requests a second, over as many connections as that takes, up to `connections`. */
export const openLoopJob = z.object({
  origin: z.string(),
  calls: z.array(call),
  connections: z.number(),
  perSecond: z.number(),
  warmUpSeconds: z.number(),
  seconds: z.number(),
});
export type OpenLoopJob = z.output<typeof openLoopJob>;

/** What a closed loop is to send: on each connection the next request as soon as the last is answered. */
export const closedLoopJob = z.object({
  origins: z.array(z.string()),
  calls: z.array(call),
  connections: z.number(),
  warmUpSeconds: z.number(),
  seconds: z.number(),
});
export type ClosedLoopJob = z.output<typeof closedLoopJob>;

export const openLoopResult = z.object({
  requests: z.number(),
  errors: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  p999Ms: z.number(),
  /** How late the driver itself was, which is part of every latency. */
  lateP99Ms: z.number(),
});
export type OpenLoopResult = z.output<typeof openLoopResult>;

export const closedLoopResult = z.object({
  perSecond: z.number(),
  errors: z.number(),
  p99Ms: z.number(),
  /** All answers, those of the warm-up too, and the processor time that the driver took for them. */
  answered: z.number(),
  driverUs: z.number(),
});
export type ClosedLoopResult = z.output<typeof closedLoopResult>;

/** The body of every request. */
export const body = JSON.stringify({ reason: "bench: what does a retrieval cost" });

export async function runOpenLoop(job: OpenLoopJob): Promise<OpenLoopResult> {
  await using child = await forkChild(join(import.meta.dirname, "open-loop.ts"), job);
  return openLoopResult.parse(await nextMessage(child));
}

export async function runClosedLoop(job: ClosedLoopJob): Promise<ClosedLoopResult> {
  await using child = await forkChild(join(import.meta.dirname, "closed-loop.ts"), job);
  return closedLoopResult.parse(await nextMessage(child));
}
