import { once } from "node:events";

/** For a program of the bench: does what it is sent, answers, and ends when nobody listens any more. */
export async function answer(work: (job: unknown) => Promise<object>): Promise<void> {
  process.once("disconnect", () => process.exit());
  const [job]: unknown[] = await once(process, "message");
  const done = await work(job);
  process.send?.(done);
}
