import type { Adapter, VenueCall } from "../adapter.ts";
import { createAdapters } from "../adapters.ts";
import { createBoundedFetch, FetchFailure } from "./bounded-fetch.ts";
import { isClockOff } from "./clock-off.ts";
import { doubtOf } from "../field-forms.ts";
import { madeUpKey } from "./made-up-key.ts";
import { indefinite, refusal, type Speaker } from "../outcomes.ts";
import type { Answer, Job } from "./protocol.ts";
import { createScrubber, type Scrubber } from "./scrub.ts";
import { type FieldTexts, spellFields } from "./spell.ts";
import { Withheld } from "./withheld.ts";
import { egressAddresses, type VenueSettings } from "../settings.ts";
import type { InvokeResult } from "../venue.ts";
import type { Indefinite } from "../verdict.ts";

/** `leaving` is awaited before the first request with the credential leaves, and before each after it. */
export type Perform = (job: Job, fields: FieldTexts, leaving?: () => Promise<void>) => Promise<Answer>;

const failures: Readonly<Record<FetchFailure["kind"], Indefinite["outcome"]>> = {
  timeout: "timeout",
  network: "venue_unavailable",
  redirect: "unexpected_answer",
  too_large: "unexpected_answer",
};

export type PerformOptions = Readonly<{
  /** Hears when a market list begins or ends to be parsed. */
  onLoading?: (active: boolean) => void;
}>;

/** Does one job after the other or at once, each within the time-out, and lets no secret out in an answer. */
export function createPerformer(settings: VenueSettings, { onLoading }: PerformOptions = {}): Perform {
  const adapters = createAdapters(onLoading);
  const fetchFor = createBoundedFetch(settings);
  return async (job, given, leaving) => {
    const adapter = adapters.get(job.venue);
    if (adapter === undefined) throw new RangeError(`unknown venue ${job.venue}`);
    const speaker = { name: adapter.description.name, addresses: egressAddresses(settings, job.venue) };
    const fields = spellFields(job.venue, given);
    if ("problem" in fields)
      return { ...refusal(speaker, "malformed", { hint: fields.problem }), unsent: true };
    const scrub = createScrubber([...given.values(), ...fields.values()]);
    const send = fetchFor(job.venue, job.environment);
    const deadline = AbortSignal.timeout(settings.timeoutMs);
    let unsent = true;
    let clockOff = false;
    const call: VenueCall = {
      environment: job.environment,
      fields,
      speaker,
      async send(request) {
        await leaving?.();
        const sentAt = Date.now();
        const answer = await send(request, deadline, () => {
          unsent = false;
        });
        clockOff = isClockOff(answer, { sentAt, receivedAt: Date.now() });
        return answer;
      },
      sendShared: (request) => send(request, AbortSignal.timeout(settings.timeoutMs)),
    };
    const answer = await Promise.race([run(adapter, job, call), expiry(deadline, settings)]).catch(
      (error: unknown) =>
        job.verb === "invoke" && unsent ? explainUnsent(error, speaker) : explain(error, speaker),
    );
    const heard = clockOff ? doubted(answer, speaker) : answer;
    const told = job.verb === "invoke" && unsent ? markedUnsent(heard) : heard;
    return scrubbed(withDoubt(told, job.venue, fields), scrub);
  };
}

/** Nothing left for the venue, and after its deadline nothing of this call will. */
function markedUnsent(answer: Answer): Answer {
  switch (answer.outcome) {
    case "done":
    case "valid":
    case "absent":
    case "learned":
      return answer;
    default:
      return { ...answer, unsent: true };
  }
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

async function run(adapter: Adapter, job: Job, call: VenueCall): Promise<Answer> {
  if (job.verb === "inspect") return adapter.inspect(call);
  if (job.verb === "learnRefusal") {
    const form = await adapter.learnRefusal?.({ ...call, fields: await madeUpKey(call.fields) });
    return { outcome: "learned", form: form ?? null };
  }
  if (job.verb === "invoke") return adapter.invoke(call, job.invocation);
  return adapter.findOrder(call, job.order);
}

/** Bounds what waits for something else than its own requests, such as a market list that another call loads. */
export function expiry(deadline: AbortSignal, settings: VenueSettings): Promise<never> {
  return new Promise((_resolve, reject) => {
    deadline.addEventListener("abort", () => {
      reject(new FetchFailure("timeout", `No complete answer within ${settings.timeoutMs} ms`));
    });
  });
}

/**
 * An operation of which nothing has left ends with what kept it back. Once a request has left, a later one that is withheld leaves open
 * what the venue did.
 */
function explainUnsent(error: unknown, speaker: Speaker): InvokeResult {
  if (error instanceof Withheld) {
    return { outcome: "withheld", unsent: true, message: `${speaker.name}: ${error.message}` };
  }
  return explain(error, speaker);
}

export function explain(error: unknown, speaker: Speaker): Indefinite {
  if (error instanceof FetchFailure) {
    return indefinite(speaker, failures[error.kind], { hint: `${error.message}.` });
  }
  if (error instanceof Withheld) return indefinite(speaker, "unexpected_answer", { hint: error.message });
  // A fault of ours or of a library. Its message may hold anything, so it stays here.
  return indefinite(speaker, "unexpected_answer", { hint: "Keyhold could not complete the call." });
}

function withDoubt(answer: Answer, venue: string, fields: FieldTexts): Answer {
  if (answer.outcome !== "rejected" && answer.outcome !== "ambiguous") return answer;
  const doubts = [...fields].flatMap(([field, text]) => doubtOf(venue, field, text) ?? []);
  return { ...answer, message: [answer.message, ...doubts].join(" ") };
}

function scrubbed(answer: Answer, scrub: Scrubber): Answer {
  if ("message" in answer) return { ...answer, message: scrub.text(answer.message) };
  return answer.outcome === "done" ? { ...answer, result: scrub.value(answer.result) } : answer;
}
