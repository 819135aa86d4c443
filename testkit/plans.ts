import type { Pool } from "pg";
import { z } from "zod";

/** What is read of a plan of PostgreSQL (EXPLAIN, FORMAT JSON). */
const node = z.looseObject({
  "Node Type": z.string(),
  "Relation Name": z.string().optional(),
  "Actual Rows": z.number().optional(),
  "Actual Loops": z.number().optional(),
  "Rows Removed by Filter": z.number().optional(),
  "Rows Removed by Index Recheck": z.number().optional(),
  get Plans() {
    return z.array(node).optional();
  },
});
type Node = z.infer<typeof node>;
const explained = z.object({ "Query Text": z.string(), Plan: node });

/** A statement that the server ran, the inner ones of functions included, and the plan it ran by. */
export type Ran = Readonly<{ text: string; plan: Node }>;

/** More rows than any question of the service needs to touch: a page is 200, a group 256. */
const mostRows = 1000;

/** Settings for a role of a test's database: every statement tells its generic plan and what it touched, as a notice. */
export const explainEverything: Readonly<Record<string, string>> = {
  session_preload_libraries: "auto_explain",
  "auto_explain.log_min_duration": "0",
  "auto_explain.log_analyze": "on",
  "auto_explain.log_timing": "off",
  "auto_explain.log_nested_statements": "on",
  "auto_explain.log_format": "json",
  "auto_explain.log_level": "notice",
  client_min_messages: "notice",
  plan_cache_mode: "force_generic_plan",
};

/** Gathers what the connections of a pool run from here on. */
export function watchPlans(pool: Pool): Ran[] {
  const ran: Ran[] = [];
  pool.on("connect", (client) => {
    client.on("notice", ({ message }) => {
      const json = /plan:\n(.*)$/s.exec(message ?? "")?.[1];
      if (json === undefined) return;
      const { "Query Text": text, Plan: plan } = explained.parse(JSON.parse(json));
      ran.push({ text, plan });
    });
  });
  return ran;
}

/** What is wrong with the plans: whole tables that are read, and rows that are touched for nothing. A sentence each. */
export function faultsOf(ran: readonly Ran[]): string[] {
  return ran.flatMap(({ text, plan }) =>
    nodesOf(plan).flatMap((one) =>
      faultOf(one).map((fault) => `${fault}: ${text.replaceAll(/\s+/g, " ").slice(0, 300)}`),
    ),
  );
}

function nodesOf(plan: Node): readonly Node[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

function faultOf(one: Node): string[] {
  const relation = one["Relation Name"];
  if (relation === undefined) return [];
  if (one["Node Type"] === "Seq Scan") return [`reads all of ${relation}`];
  const touched =
    ((one["Actual Rows"] ?? 0) +
      (one["Rows Removed by Filter"] ?? 0) +
      (one["Rows Removed by Index Recheck"] ?? 0)) *
    (one["Actual Loops"] ?? 1);
  return touched > mostRows ? [`touches ${touched} rows of ${relation}`] : [];
}
