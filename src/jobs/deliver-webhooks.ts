import type { Due } from "../db/sweep.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { deliver, type DeliverOptions } from "../webhooks/deliver.ts";
import { claimDue } from "../webhooks/outbox.ts";
import type { Webhooks } from "../webhooks/webhook.ts";

type Parts = Readonly<{
  webhooks: Webhooks;
  log: Log;
  metrics: Pick<Metrics, "webhookDeliveries" | "webhookSeconds">;
}>;

export type DeliveriesOptions = DeliverOptions &
  Readonly<{
    /** Milliseconds between looks at the outbox. */
    everyMs?: number;
    /** Messages on their way from this process at most. */
    atOnce?: number;
  }>;

/**
 * Sends webhooks from now on. All processes share the work. A process that dies loses nothing: another takes
 * its messages when their lease is over.
 */
export class Deliveries {
  readonly #parts: Parts;
  readonly #atOnce: number;
  readonly #options: DeliverOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #underway = new Set<Promise<void>>();
  #looking: Promise<void> | null = null;
  #wanted = false;
  #stopped = false;

  constructor(parts: Parts, { everyMs = 1000, atOnce = 32, ...options }: DeliveriesOptions = {}) {
    this.#parts = parts;
    this.#atOnce = atOnce;
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), everyMs);
  }

  /** Sends what is due now and what comes due meanwhile; resolves when nothing is on its way any more. */
  async drain(): Promise<void> {
    await this.#look();
    await this.#settled();
  }

  /** Takes nothing more, and waits for what is on its way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#settled();
  }

  async #settled(): Promise<void> {
    while (this.#looking !== null || this.#underway.size > 0) {
      await Promise.all([this.#looking, ...this.#underway]);
    }
  }

  /** One look at a time. A request for one meanwhile leads to another, for what has changed since. */
  #look(): Promise<void> {
    this.#wanted = true;
    this.#looking ??= this.#lookUntilDone()
      .catch((error: unknown) => this.#parts.log.error("the outbox of webhooks could not be read", { error }))
      .finally(() => (this.#looking = null));
    return this.#looking;
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      this.#wanted = false;
      const free = this.#atOnce - this.#underway.size;
      if (free > 0) this.#begin(await claimDue(this.#parts.webhooks.db, free));
    }
  }

  #begin(claimed: readonly Due[]): void {
    for (const due of claimed) {
      const attempt = attemptOne(this.#parts, due, this.#options).finally(() => {
        this.#underway.delete(attempt);
        void this.#look();
      });
      this.#underway.add(attempt);
    }
  }
}

/** Never throws: an attempt whose outcome could not be written is repeated when its lease is over. */
async function attemptOne(
  { webhooks, log, metrics }: Parts,
  due: Due,
  options: DeliverOptions,
): Promise<void> {
  const { tenant_id } = due;
  try {
    const delivered = await deliver(webhooks, due, options);
    if (delivered === null) return;
    const { state, outcome, status, seconds, disabled } = delivered;
    metrics.webhookDeliveries.inc({ outcome });
    metrics.webhookSeconds.observe(seconds);
    if (state === "dead") log.warn("a webhook was given up", { tenant_id, outcome, status });
    if (disabled !== null) log.warn("a webhook was switched off", { tenant_id, reason: disabled });
  } catch (error) {
    log.error("an attempt at a webhook could not be made or noted", { tenant_id, error });
  }
}
