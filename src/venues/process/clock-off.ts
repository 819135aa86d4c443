import type { HttpAnswer } from "./bounded-fetch.ts";

const toleratedMs = 10_000;
/** The header tells whole seconds (RFC 9110, section 6.6.1). */
const resolutionMs = 1000;

/** Whether the venue's clock, by the Date of its answer, is more than ten seconds off ours. The answer may have been on its way for long. */
export function isClockOff(
  { headers }: Pick<HttpAnswer, "headers">,
  { sentAt, receivedAt }: Readonly<{ sentAt: number; receivedAt: number }>,
): boolean {
  const date = Date.parse(headers.get("date") ?? "");
  return date + resolutionMs < sentAt - toleratedMs || date > receivedAt + toleratedMs;
}
