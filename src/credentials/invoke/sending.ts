import { KeyholdError } from "../../errors.ts";
import type { InvokeResult } from "../../venues/venue.ts";

const broken: InvokeResult = {
  outcome: "unexpected_answer",
  message: "The call of the venue broke off.",
};

/** How far one operation has come on its way to the venue: the one place that knows whether a byte of it may have left. */
export class Sending {
  readonly clientOrderId: string | null;
  readonly #before: number;
  #answer: InvokeResult | null = null;

  /** `before` is a time of `performance.now()`: a call that would begin later is not made. */
  constructor(clientOrderId: string | null, before: number) {
    this.clientOrderId = clientOrderId;
    this.#before = before;
  }

  /** What the venue answered, as far as it is known; `null` while nothing has left. */
  get answer(): InvokeResult | null {
    return this.#answer;
  }

  /**
   * Calls the venue. Throws `no_turn` when it is too late to begin, and the `KeyholdError` by which a venue says that it was not
   * asked; nothing else, whatever happens in the call.
   */
  async call(ask: () => Promise<InvokeResult>): Promise<InvokeResult> {
    if (performance.now() > this.#before) throw tooLate();
    const earlier = this.#answer;
    // Set before the first byte may leave. What happens from here on is known from the venue's answer alone.
    this.#answer = broken;
    const answer = await ask().catch((error: unknown) => (error instanceof KeyholdError ? error : broken));
    const isUnsent = answer instanceof KeyholdError || "unsent" in answer;
    this.#answer = isUnsent ? earlier : answer;
    if (answer instanceof KeyholdError) throw answer;
    return answer;
  }
}

function tooLate(): KeyholdError {
  return new KeyholdError(
    "no_turn",
    "Other calls with this credential took too long, so this one was not made. Send it again.",
    { facts: { retry_after_seconds: 5 } },
  );
}
