import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Credentials that are not deleted, by tenant, venue and status. */
export type CredentialCount = Readonly<{ tenant_id: string; venue: string; status: string; count: number }>;

type MetricsSource = Readonly<{
  countCredentials: () => Promise<readonly CredentialCount[]>;
  /** For how many seconds the oldest webhook waits that could be sent now. */
  outboxAge: () => Promise<number>;
}>;

/**
 * All metrics of the service. Values of labels come from closed sets (venues, outcomes, routes as declared)
 * and from tenant ids, and never from what a caller sends. Durations are in seconds.
 */
export function createMetrics(source: MetricsSource) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  credentialGauge(registers, source);
  outboxGauge(registers, source);
  return {
    registry,
    ...serviceMetrics(registers),
    jobEnded: jobAgeGauge(registers),
    ...healthMetrics(registers),
    ...venueProcessMetrics(registers),
    ...storeMetrics(registers),
    ...webhookMetrics(registers),
    ...httpMetrics(registers),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Counted at each scrape, so that each process returns the right number. */
function credentialGauge(registers: Registry[], source: MetricsSource): void {
  const gauge = new Gauge({
    name: "keyhold_credentials",
    help: "Credentials by tenant, venue and status",
    labelNames: ["tenant", "venue", "status"],
    registers,
    async collect() {
      // Without an answer of the database no number is shown, not even the last one.
      const counts = await source.countCredentials().catch(() => []);
      gauge.reset();
      for (const { tenant_id: tenant, venue, status, count } of counts)
        gauge.set({ tenant, venue, status }, count);
    },
  });
}

function outboxGauge(registers: Registry[], { outboxAge }: MetricsSource): void {
  const gauge = new Gauge({
    name: "keyhold_webhook_outbox_age_seconds",
    help: "How long the oldest webhook waits that could be sent now; what waits for a receiver that fails does not count",
    registers,
    async collect() {
      // Without an answer of the database no number is better than an old one.
      gauge.set(await outboxAge().catch(() => Number.NaN));
    },
  });
}

/** @returns a function to be called when a round of a job has ended, or its clock has started. */
function jobAgeGauge(registers: Registry[]): (job: string) => void {
  const ended = new Map<string, number>();
  const gauge = new Gauge({
    name: "keyhold_job_age_seconds",
    help: "Seconds since a round of a job last ended well here, or since the clock started",
    labelNames: ["job"],
    registers,
    collect() {
      for (const [job, at] of ended) gauge.set({ job }, (performance.now() - at) / 1000);
    },
  });
  return (job) => void ended.set(job, performance.now());
}

function serviceMetrics(registers: Registry[]) {
  return {
    validationSeconds: new Histogram({
      name: "keyhold_validation_duration_seconds",
      help: "Time to ask a venue about a credential",
      labelNames: ["venue"],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
      registers,
    }),
    validations: new Counter({
      name: "keyhold_validations_total",
      help: "Answers of venues about credentials",
      labelNames: ["venue", "outcome"],
      registers,
    }),
    jobRuns: new Counter({
      name: "keyhold_job_runs_total",
      help: "Runs of jobs",
      labelNames: ["job", "outcome"],
      registers,
    }),
    jobLastRun: new Gauge({
      name: "keyhold_job_last_run_timestamp_seconds",
      help: "When a job last ended well, in seconds since 1970",
      labelNames: ["job"],
      registers,
    }),
    disclosureGroupSize: new Histogram({
      name: "keyhold_disclosure_group_size",
      help: "Requests to open a secret that were recorded in one commit",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
  };
}

function healthMetrics(registers: Registry[]) {
  return {
    healthChecks: new Counter({
      name: "keyhold_health_checks_total",
      help: "Checks of credentials by what the venue answered",
      labelNames: ["tenant", "venue", "outcome"],
      registers,
    }),
    healthCheckFailures: new Counter({
      name: "keyhold_health_check_failures_total",
      help: "Checks of credentials that the venue did not answer with a yes",
      labelNames: ["tenant", "venue"],
      registers,
    }),
    refusalsHeld: new Counter({
      name: "keyhold_refusals_held_total",
      help: "Refusals of venues that were held back: many are refused, the address or the clock may be the reason",
      labelNames: ["venue", "reason"],
      registers,
    }),
  };
}

function venueProcessMetrics(registers: Registry[]) {
  return {
    venueProcessesReplaced: new Counter({
      name: "keyhold_venue_processes_replaced_total",
      help: "Venue processes that were replaced: stalled, overdue, ended by themselves, or worn",
      labelNames: ["reason"],
      registers,
    }),
    venueSuspects: new Gauge({
      name: "keyhold_venue_suspects",
      help: "Tenants whose calls are kept apart because one was running when a venue process stalled or died",
      registers,
    }),
  };
}

function storeMetrics(registers: Registry[]) {
  return {
    storeOperations: new Counter({
      name: "keyhold_store_operations_total",
      help: "Operations of secret stores",
      labelNames: ["store", "operation", "status"],
      registers,
    }),
    storeSeconds: new Histogram({
      name: "keyhold_store_operation_duration_seconds",
      help: "Time of an operation of a secret store",
      labelNames: ["store", "operation"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    storeFailures: new Counter({
      name: "keyhold_store_failures_total",
      help: "Operations of secret stores that failed, by reason",
      labelNames: ["store", "operation", "reason"],
      registers,
    }),
    storeLookUps: new Counter({
      name: "keyhold_store_look_ups_total",
      help: "Sealed secrets of remote stores, by where they came from: a fresh copy, a copy in grace, or the store",
      labelNames: ["store", "source"],
      registers,
    }),
    storeBreaker: new Gauge({
      name: "keyhold_store_breaker_state",
      help: "1 for the state that the breaker of a remote store is in: closed, half_open or open",
      labelNames: ["store", "state"],
      registers,
    }),
  };
}

function webhookMetrics(registers: Registry[]) {
  return {
    webhookDeliveries: new Counter({
      name: "keyhold_webhook_deliveries_total",
      help: "Attempts at sending a webhook, by what came of them",
      labelNames: ["outcome"],
      registers,
    }),
    webhookSeconds: new Histogram({
      name: "keyhold_webhook_delivery_duration_seconds",
      help: "Time of an attempt at sending a webhook, from the look-up of the name to the end of the answer",
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
      registers,
    }),
  };
}

function httpMetrics(registers: Registry[]) {
  return {
    httpRequests: new Counter({
      name: "keyhold_http_requests_total",
      help: "HTTP requests by route as declared and status",
      labelNames: ["method", "route", "status"],
      registers,
    }),
    httpSeconds: new Histogram({
      name: "keyhold_http_request_duration_seconds",
      help: "Time from the request to the end of the answer",
      labelNames: ["method", "route"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    authenticationFailures: new Counter({
      name: "keyhold_authentication_failures_total",
      help: "Requests without a valid token or API key",
      labelNames: ["reason"],
      registers,
    }),
    rateLimitRefusals: new Counter({
      name: "keyhold_rate_limit_refusals_total",
      help: "Requests refused by a rate limit",
      labelNames: ["limit"],
      registers,
    }),
  };
}
