import { expect, it } from "vitest";
import { createMetrics } from "../../../src/telemetry/metrics.ts";

const outboxAge = () => Promise.resolve(0);
const counts = [{ tenant_id: "t1", venue: "binance", status: "active", count: 3 }];

it("shows credentials by tenant, venue and status as they are at the scrape", async () => {
  const metrics = createMetrics({ countCredentials: () => Promise.resolve(counts), outboxAge });

  expect(await metrics.registry.metrics()).toContain(
    'keyhold_credentials{tenant="t1",venue="binance",status="active"} 3',
  );
});

it("shows no stale count of credentials when the database does not answer, and all else", async () => {
  let answers = true;
  const metrics = createMetrics({
    countCredentials: () => (answers ? Promise.resolve(counts) : Promise.reject(new Error("down"))),
    outboxAge: () => (answers ? Promise.resolve(7) : Promise.reject(new Error("down"))),
  });
  expect(await metrics.registry.metrics()).toContain("keyhold_webhook_outbox_age_seconds 7");
  answers = false;
  metrics.validations.inc({ venue: "alpaca", outcome: "valid" });
  const text = await metrics.registry.metrics();

  expect(text).not.toContain("keyhold_credentials{");
  expect(text).toContain("keyhold_webhook_outbox_age_seconds Nan");
  expect(text).toContain('keyhold_validations_total{venue="alpaca",outcome="valid"} 1');
  expect(text).toContain("process_resident_memory_bytes");
});

it("is made anew for every application: two in one process do not share numbers", async () => {
  const source = { countCredentials: () => Promise.resolve([]), outboxAge };
  const [one, other] = [createMetrics(source), createMetrics(source)];
  one.httpRequests.inc({ method: "GET", route: "/x", status: "200" });

  expect(await other.registry.metrics()).not.toContain('route="/x"');
});
