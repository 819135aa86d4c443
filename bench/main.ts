import { parseArgs } from "node:util";
import { install } from "../testkit/embedded-installation.ts";
import { describeMachine, formatMachine } from "../testkit/machine.ts";
import { callsFor } from "./calls.ts";
import { interruptChildren } from "./children.ts";
import { formatSection, type Section, toJson } from "./figures.ts";
import { measureEnvelope } from "./points/envelope.ts";
import { measureFootprint } from "./points/footprint.ts";
import { measureHealth } from "./points/health.ts";
import { measureRecord } from "./points/record.ts";
import { measureRetrieval } from "./points/retrieval.ts";
import { measureStores } from "./points/stores.ts";
import { measureThroughput } from "./points/throughput.ts";
import { measureValidations } from "./points/validations.ts";
import { measureWebhooks } from "./points/webhooks.ts";
import { seed } from "./seed.ts";

/**
 * `npm run bench`: what the service does on this machine.
 *
 *     --json           one JSON object in place of the table
 *     --only <point>   retrieval, throughput, stores, envelope, validations, health, webhooks, record or footprint
 *     --soak           retrieval alone, for five minutes
 *     --seconds <n>    seconds a point, 30 when left out
 *     --count <n>      credentials that are checked (10,000 when left out), or webhooks that are delivered (1,000)
 */
const points = [
  "envelope",
  "footprint",
  "validations",
  "health",
  "webhooks",
  "record",
  "retrieval",
  "throughput",
  "stores",
] as const;
type Point = (typeof points)[number];

const soakSeconds = 300;
const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string" },
    soak: { type: "boolean", default: false },
    seconds: { type: "string", default: "30" },
    count: { type: "string" },
  },
});
const seconds = values.soak ? soakSeconds : Number(values.seconds);

const measures: Readonly<Record<Point, () => Promise<Section>>> = {
  envelope: async () => measureEnvelope(),
  footprint: measureFootprint,
  async validations() {
    await using installation = await install();
    return await measureValidations(installation);
  },
  health: () => measureHealth(countOr(10_000), seconds),
  async webhooks() {
    await using installation = await install();
    return await measureWebhooks(installation, countOr(1000));
  },
  async record() {
    await using installation = await install();
    return await measureRecord(installation, seconds);
  },
  retrieval: () => loaded(measureRetrieval),
  throughput: () => loaded(measureThroughput),
  stores: () => measureStores(seconds),
};

function countOr(usual: number): number {
  const count = Number(values.count ?? usual);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error("--count takes a whole number above 0");
}

/** Many credentials over several tenants, as a service has them. */
async function loaded(measure: typeof measureRetrieval): Promise<Section> {
  await using installation = await install();
  const tenants = await seed(installation, { tenants: 50, credentialsEach: 20 });
  return await measure(installation, await callsFor("reveal", installation.folder, tenants), seconds);
}

function chosen(): readonly Point[] {
  if (values.soak) return ["retrieval"];
  const only = points.filter((point) => values.only === undefined || point === values.only);
  if (only.length > 0 && seconds > 3) return only;
  throw new Error(`--only takes one of ${points.join(", ")}; --seconds a number above 3`);
}

process.once("SIGINT", interruptChildren);
process.once("SIGTERM", interruptChildren);

const machine = describeMachine();
if (!values.json) console.log(formatMachine(machine));
const sections: Section[] = [];
for (const point of chosen()) {
  const section = await measures[point]();
  sections.push(section);
  if (!values.json) console.log(formatSection(section));
}
if (values.json) console.log(JSON.stringify({ machine, ...toJson(sections) }, null, 2));
