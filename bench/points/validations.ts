import { startSimulator } from "../../simulator/simulator.ts";
import { settingsFor, type Installation } from "../../testkit/embedded-installation.ts";
import { percentile } from "../../testkit/percentiles.ts";
import { callsFor } from "../calls.ts";
import type { Figure, Section } from "../figures.ts";
import type { Call } from "../load.ts";
import { seed } from "../seed.ts";
import { startService } from "../servers.ts";

const tenants = 10;
const credentialsEach = 10;

/** A hundred clients ask at once whether their credential works; the venue is the simulator's Binance, on this machine. */
export async function measureValidations(installation: Installation): Promise<Section> {
  const simulator = await startSimulator();
  try {
    const nextKey = () => simulator.control.addKey("binance", { environment: "live" });
    const seeded = await seed(installation, { tenants, credentialsEach, nextKey });
    const calls = await callsFor("validate", installation.folder, seeded);
    const hosts = JSON.stringify({ binance: { live: simulator.url("binance", "live") } });
    await using service = await startService({ ...settingsFor(installation), KEYHOLD_VENUE_HOSTS: hosts });
    return {
      title: `Validations, ${tenants * credentialsEach} at once, against the simulator`,
      figures: [
        ...(await validateAll(
          "validations_first",
          "first, venue processes not started",
          service.origin,
          calls,
        )),
        ...(await validateAll("validations_again", "again", service.origin, calls)),
      ],
    };
  } finally {
    await simulator.close();
  }
}

async function validateAll(
  key: "validations_first" | "validations_again",
  text: string,
  origin: string,
  calls: readonly Call[],
): Promise<readonly Figure[]> {
  const start = performance.now();
  const answers = await Promise.all(
    calls.map(async (call) => {
      const valid = await validate(origin, call);
      return { valid, took: performance.now() - start };
    }),
  );
  const sorted = Float64Array.from(answers, ({ took }) => took).sort();
  return [
    { name: `${key}_wall_s`, text: `${text}: all done after`, value: (performance.now() - start) / 1000 },
    { name: `${key}_p99_ms`, text: "  P99", value: percentile(sorted, 0.99) },
    { name: `${key}_errors_count`, text: "  errors", value: answers.filter(({ valid }) => !valid).length },
  ];
}

async function validate(origin: string, { path, token }: Call): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(origin + path, { method: "POST", headers });
  const answer: unknown = await response.json();
  return typeof answer === "object" && answer !== null && "is_valid" in answer && answer.is_valid === true;
}
