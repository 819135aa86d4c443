import { ZodError } from "zod";
import type { Adapter, VenueCall } from "../adapter.ts";
import { createAdapters } from "../adapters.ts";
import { KeyProblem } from "../exchanges/key-issuing.ts";
import { indefinite, keyFailure, refusal, type Speaker } from "../outcomes.ts";
import { egressAddresses, type VenueSettings } from "../settings.ts";
import { doubtOf } from "../traits.ts";
import type { KeyFailure } from "../venue-keys.ts";
import type { InvokeResult } from "../venue.ts";
import type { Indefinite } from "../verdict.ts";
import {
  createBoundedFetch,
  type Fetch,
  FetchFailure,
  type HttpAnswer,
  type HttpRequest,
  Withheld,
} from "./bounded-fetch.ts";
import { madeUpKey } from "./made-up-key.ts";
import { manageKeys } from "./manage-keys.ts";
import type { Answer, Job, KeyJob } from "./protocol.ts";
import { type FieldTexts, spellFields } from "./spell.ts";

/**
 * `credentials`: those of the job, in its order. `leaving` is awaited before the first request with a
 * credential leaves, and before each after it. `replyTo`: the public key to which a new secret is sealed.
 */
export type Perform = (
  job: Job,
  credentials: readonly FieldTexts[],
  options?: Readonly<{ leaving?: () => Promise<void>; replyTo?: Uint8Array | undefined }>,
) => Promise<Answer>;

/**
 * Does one job after the other or at once, each within the time-out, and lets no secret out in an answer.
 * `onLoading` is called when a market list begins or ends to be parsed.
 */
export function createPerformer(
  settings: VenueSettings,
  { onLoading }: Readonly<{ onLoading?: (active: boolean) => void }> = {},
): Perform {
  const adapters = createAdapters(onLoading);
  const fetchFor = createBoundedFetch(settings);
  return async (job, given, { leaving, replyTo } = {}) => {
    const adapter = adapters.get(job.venue);
    if (adapter === undefined) throw new RangeError(`unknown venue ${job.venue}`);
    const speaker = { name: adapter.description.name, addresses: egressAddresses(settings, job.venue) };
    const spelled = given.map((fields) => spellFields(job.venue, fields));
    const texts = [...given, ...spelled].flatMap((fields) =>
      "problem" in fields ? [] : [...fields.values()],
    );
    const line = openLine(fetchFor(job.venue, job.environment), settings, leaving);
    const answer = isKeyJob(job)
      ? await line
          .within(manageKeys(job, spelled, { send: line.send, replyTo }))
          .catch((error: unknown) => explainKeys(error, speaker))
      : await ask(adapter, job, { fields: spelled[0], line, speaker });
    return scrubbed(answer, texts);
  };
}

function isKeyJob(job: Job): job is KeyJob {
  return job.verb === "createKey" || job.verb === "findKey" || job.verb === "revokeKey";
}

/** The way to the venue for one call, which has one deadline. */
function openLine(send: Fetch, settings: VenueSettings, leaving?: () => Promise<void>) {
  const deadline = AbortSignal.timeout(settings.timeoutMs);
  let unsent = true;
  let clockOff = false;
  return {
    send: async (request: HttpRequest) => {
      await leaving?.();
      const sentAt = Date.now();
      const answer = await send(request, deadline, () => {
        unsent = false;
      });
      clockOff = isClockOff(answer, { sentAt, receivedAt: Date.now() });
      return answer;
    },
    sendShared: (request: HttpRequest) => send(request, AbortSignal.timeout(settings.timeoutMs)),
    /**
     * Bounds what waits for something else than its own requests, such as a market list that another call
     * loads.
     */
    within: <T>(work: Promise<T>): Promise<T> => Promise.race([work, expiry(deadline, settings)]),
    /** Whether nothing has left for the venue. */
    isUnsent: () => unsent,
    /** Whether the clocks differ, by the last answer. */
    isClockOff: () => clockOff,
  };
}

function expiry(deadline: AbortSignal, settings: VenueSettings): Promise<never> {
  return new Promise((_resolve, reject) => {
    deadline.addEventListener("abort", () => {
      reject(new FetchFailure("timeout", `No complete answer within ${settings.timeoutMs} ms`));
    });
  });
}

const toleratedMs = 10_000;
/** The header has whole seconds (RFC 9110, section 6.6.1). */
const resolutionMs = 1000;

/**
 * Whether the venue's clock, by the Date of its answer, is more than ten seconds off ours. The answer may
 * have been on its way for long.
 */
function isClockOff(
  { headers }: HttpAnswer,
  { sentAt, receivedAt }: Readonly<{ sentAt: number; receivedAt: number }>,
): boolean {
  const date = Date.parse(headers.get("date") ?? "");
  return date + resolutionMs < sentAt - toleratedMs || date > receivedAt + toleratedMs;
}

/**
 * One call on behalf of one credential. A problem of its fields is answered before anything is done with
 * them.
 */
async function ask(
  adapter: Adapter,
  job: Exclude<Job, KeyJob>,
  {
    fields,
    line,
    speaker,
  }: Readonly<{
    fields: ReturnType<typeof spellFields> | undefined;
    line: ReturnType<typeof openLine>;
    speaker: Speaker;
  }>,
): Promise<Answer> {
  if (fields === undefined) throw new TypeError("a call lacks its credential");
  if ("problem" in fields) {
    return { ...refusal(speaker, "malformed", { hint: fields.problem }), unsent: true };
  }
  const { send, sendShared } = line;
  const work = run(adapter, job, { environment: job.environment, fields, speaker, send, sendShared });
  const answer = await line
    .within(work)
    .catch((error: unknown) =>
      job.verb === "invoke" && line.isUnsent() ? explainUnsent(error, speaker) : explain(error, speaker),
    );
  const judged = line.isClockOff() ? doubted(answer, speaker) : answer;
  const marked = job.verb === "invoke" && line.isUnsent() ? markedUnsent(judged) : judged;
  return withDoubt(marked, job.venue, fields);
}

async function run(adapter: Adapter, job: Exclude<Job, KeyJob>, call: VenueCall): Promise<Answer> {
  if (job.verb === "inspect") return adapter.inspect(call);
  if (job.verb === "learnRefusal") {
    const form = await adapter.learnRefusal?.({ ...call, fields: await madeUpKey(call.fields) });
    return { outcome: "learned", form: form ?? null };
  }
  if (job.verb === "invoke") return adapter.invoke(call, job.invocation);
  return adapter.findOrder(call, job.order);
}

/** Nothing left for the venue, and after its deadline nothing of this call will. */
function markedUnsent(answer: Answer): Answer {
  return "message" in answer ? { ...answer, unsent: true } : answer;
}

/** What a refusal is worth while the clocks differ: nothing, where the time may be what was refused. */
function doubted(answer: Answer, speaker: Speaker): Answer {
  if (answer.outcome === "ambiguous" && answer.causes.includes("clock")) {
    return indefinite(speaker, "clock_skew", {
      hint: "It differs from the venue's by more than ten seconds.",
    });
  }
  const isRefusal = answer.outcome === "ambiguous" || answer.outcome === "rejected";
  return isRefusal ? { ...answer, clockOff: true } : answer;
}

/**
 * An operation of which nothing has left ends with what kept it back. Once a request has left, a later one
 * that is withheld leaves open what the venue did.
 */
function explainUnsent(error: unknown, speaker: Speaker): InvokeResult {
  if (error instanceof Withheld) {
    return { outcome: "withheld", unsent: true, message: `${speaker.name}: ${error.message}` };
  }
  return explain(error, speaker);
}

const failures: Readonly<Record<FetchFailure["kind"], Indefinite["outcome"]>> = {
  timeout: "timeout",
  network: "venue_unavailable",
  redirect: "unexpected_answer",
  too_large: "unexpected_answer",
};

function explain(error: unknown, speaker: Speaker): Indefinite {
  if (error instanceof FetchFailure) {
    return indefinite(speaker, failures[error.kind], { hint: `${error.message}.` });
  }
  if (error instanceof Withheld) return indefinite(speaker, "unexpected_answer", { hint: error.message });
  // A fault of ours or of a library. Its message may hold anything, so it stays here.
  return indefinite(speaker, "unexpected_answer", { hint: "Keyhold could not complete the call." });
}

function explainKeys(error: unknown, speaker: Speaker): KeyFailure {
  if (error instanceof KeyProblem) return keyFailure(speaker, error.problem, error.said);
  // Not the documented shape.
  if (error instanceof ZodError) return indefinite(speaker, "unexpected_answer");
  return explain(error, speaker);
}

function withDoubt(answer: Answer, venue: string, fields: FieldTexts): Answer {
  if (answer.outcome !== "rejected" && answer.outcome !== "ambiguous") return answer;
  const doubts = [...fields].flatMap(([field, text]) => doubtOf(venue, field, text) ?? []);
  return { ...answer, message: [answer.message, ...doubts].join(" ") };
}

function scrubbed(answer: Answer, secrets: readonly string[]): Answer {
  const scrub = createScrubber(secrets);
  if ("message" in answer) return { ...answer, message: scrub.text(answer.message) };
  return answer.outcome === "done" ? { ...answer, result: scrub.value(answer.result) } : answer;
}

const removed = "[removed]";
const longestMessage = 500;
// Signatures: 64 and more hexadecimal characters, or 43 and more of base64. A UUID has 36.
const signature = /[A-Za-z0-9+/_-]{40,}={0,2}/g;
const urlQuery = /(https?:\/\/[^\s?"']*)\?[^\s"']*/g;

/**
 * Takes out of a text what must not leave a venue process: the credential's own values as they are and as
 * URLs and JSON write them, queries of URLs, and anything as long as a signature.
 */
export function createScrubber(values: Iterable<string>) {
  const forms = [...values].flatMap(formsOf);
  // Longest first, so that a value which contains another one leaves no remainder.
  forms.sort((a, b) => b.length - a.length);
  // A result is made of prices and ids, and a passphrase of a few digits is in them by chance.
  const apart = forms.filter((form) => !/^\d{1,11}$/.test(form));
  return {
    text: (text: string): string =>
      without(text, forms).replace(urlQuery, "$1").replace(signature, removed).slice(0, longestMessage),
    value: (value: unknown): unknown =>
      value === undefined ? null : JSON.parse(JSON.stringify(value, mask)),
  };

  function mask(_key: string, value: unknown): unknown {
    return typeof value === "string" ? without(value, apart) : value;
  }
}

function without(text: string, forms: readonly string[]): string {
  return forms.reduce((rest, form) => rest.replaceAll(form, removed), text);
}

/** Values that are as short as ordinary words are left: masking `1` would ruin every answer. */
function formsOf(value: string): string[] {
  if (value.length < 6) return [];
  const json = JSON.stringify(value).slice(1, -1);
  const base64 = Buffer.from(value).toString("base64");
  return [...new Set([value, json, encodeURIComponent(value), base64])];
}
