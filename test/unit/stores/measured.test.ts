import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { denied, unavailable } from "../../../src/remote/failure.ts";
import { measured } from "../../../src/stores/measured.ts";
import type { GetResult, SecretRef, Store } from "../../../src/stores/store.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { createMetrics, type Metrics } from "../../../src/telemetry/metrics.ts";
import { sealedFields } from "../../contracts/store-contract.ts";

const ref: SecretRef = {
  tenantId: randomUUID(),
  credentialId: randomUUID(),
  venue: "kraken",
  environment: "live",
  version: 1,
};
const found: GetResult = { outcome: "found", fields: sealedFields(ref) };

let metrics: Metrics;
let lines: string[];
let answer: GetResult;
let store: Store;

beforeEach(() => {
  metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  lines = [];
  answer = found;
  const behind: Store = {
    name: "vault",
    capabilities: { writes: true },
    put: async () => ({ outcome: "conflict" }),
    get: async () => answer,
    destroy: async () => ({ outcome: "destroyed" }),
    health: async () => (answer.outcome === "found" ? { outcome: "healthy" } : unavailable("sealed")),
  };
  const log = createLog("info", { write: (line: string) => void lines.push(line) });
  store = measured(behind, { metrics, log });
});

/** The values of a metric by operation and status, or operation and reason. */
async function read(name: "storeOperations" | "storeFailures"): Promise<Record<string, number>> {
  const { values } = await metrics[name].get();
  return Object.fromEntries(
    values.map(({ labels, value }) => [
      Object.values({ ...labels, store: "" })
        .join(" ")
        .trim(),
      value,
    ]),
  );
}

const told = () => lines.map((line) => /"operation":"(\w+)","reason":"(\w+)"/.exec(line)?.slice(1).join(" "));

describe("a measured store", () => {
  test("answers as the one behind it does", async () => {
    expect(await store.get(ref)).toBe(found);
    expect(await store.put(ref, sealedFields(ref))).toEqual({ outcome: "conflict" });
    expect(store).toMatchObject({ name: "vault", capabilities: { writes: true } });
  });

  test("counts every operation by its outcome, and times it", async () => {
    await store.get(ref);
    await store.get(ref);
    await store.put(ref, sealedFields(ref));
    await store.destroy(ref);
    await store.health();
    expect(await read("storeOperations")).toEqual({
      "get found": 2,
      "put conflict": 1,
      "destroy destroyed": 1,
      "health healthy": 1,
    });
    const { values } = await metrics.storeSeconds.get();
    const counts = values.filter(({ metricName }) => metricName?.endsWith("_count") === true);
    expect(counts.map(({ labels, value }) => [labels.operation, value])).toEqual([
      ["get", 2],
      ["put", 1],
      ["destroy", 1],
      ["health", 1],
    ]);
  });

  test("counts each failure by its reason, an absence and a conflict among them, and no success", async () => {
    for (const one of [
      found,
      unavailable("timeout"),
      denied("token"),
      denied("token"),
      { outcome: "absent" } as const,
    ]) {
      answer = one;
      await store.get(ref);
    }
    await store.put(ref, sealedFields(ref));
    expect(await read("storeFailures")).toEqual({
      "get timeout": 1,
      "get token": 2,
      "get absent": 1,
      "put conflict": 1,
    });
  });

  test("tells once when an operation begins to fail in another way, and again when it fails after it went well", async () => {
    const gets = async (...answers: GetResult[]): Promise<void> => {
      for (const one of answers) {
        answer = one;
        await store.get(ref);
      }
    };
    await gets(found, unavailable("sealed"), unavailable("sealed"), unavailable("sealed"));
    expect(told()).toEqual(["get sealed"]);
    await gets(denied("token"), denied("token"), found);
    expect(told()).toEqual(["get sealed", "get token"]);
    await gets(denied("token"));
    expect(told()).toEqual(["get sealed", "get token", "get token"]);
    await store.health();
    expect(told().at(-1), "each operation by itself").toBe("health sealed");
  });
});
