import type * as Sdk from "@aws-sdk/client-secrets-manager";
import { Breaker, type BreakerState } from "../remote/breaker.ts";
import { troubleOf } from "./errors.ts";
import { type AwsSettings, clientOptions, defaultDeadlineMs } from "./settings.ts";

type Loaded = Readonly<{ sdk: typeof Sdk; client: Sdk.SecretsManagerClient }>;

/**
 * Calls Secrets Manager. The first call loads the SDK, which has retries and a search for credentials of its
 * own.
 */
export class SecretsManager {
  readonly #options: ReturnType<typeof clientOptions>;
  readonly #deadlineMs: number;
  readonly #breaker: Breaker;
  #loading: Promise<Loaded> | null = null;

  /** Throws `StartError` for an endpoint that may not be used. */
  constructor(settings: AwsSettings, onBreaker?: (state: BreakerState) => void) {
    this.#options = clientOptions(settings);
    this.#deadlineMs = settings.deadlineMs ?? defaultDeadlineMs;
    this.#breaker = new Breaker(onBreaker);
  }

  /**
   * Returns what `work` returns, or what `expected` makes of its error. Throws `StoreTrouble` for any other
   * error.
   */
  call<T>(
    work: (loaded: Loaded, options: Readonly<{ abortSignal: AbortSignal }>) => Promise<T>,
    expected: (error: unknown) => T | undefined,
  ): Promise<T> {
    return this.#breaker.run(async () => {
      try {
        this.#loading ??= this.#load();
        return await work(await this.#loading, { abortSignal: AbortSignal.timeout(this.#deadlineMs) });
      } catch (error) {
        const answer = expected(error);
        if (answer !== undefined) return answer;
        throw troubleOf(error);
      }
    });
  }

  async close(): Promise<void> {
    (await this.#loading)?.client.destroy();
  }

  async #load(): Promise<Loaded> {
    const sdk = await import("@aws-sdk/client-secrets-manager");
    return { sdk, client: new sdk.SecretsManagerClient(this.#options) };
  }
}
