import { join } from "node:path";
import { z } from "zod";
import { forkChild, nextMessage } from "./children.ts";

/** What a process that checks credentials is to know: its settings, and how hard it may ask each venue. */
export const checksJob = z.object({
  environment: z.record(z.string(), z.string()),
  pace: z.object({ atOnce: z.number(), perSecond: z.number() }),
});
export type ChecksJob = z.output<typeof checksJob>;

export const checksResult = z.object({
  done: z.number(),
  failed: z.number(),
  /** By the clock of the machine, in ms. */
  startedAt: z.number(),
  endedAt: z.number(),
});
export type ChecksResult = z.output<typeof checksResult>;

export async function runChecks(job: ChecksJob): Promise<ChecksResult> {
  await using child = await forkChild(join(import.meta.dirname, "check-credentials.ts"), job);
  return checksResult.parse(await nextMessage(child));
}
