import { answerOf, at, type HealthReport, type HealthSummary } from "@keyhold/client";
import type { Command } from "commander";
import type { Due } from "../db/sweep.ts";
import type { Cli } from "./cli.ts";
import { withCustody, workThrough } from "./operate.ts";
import type { Column } from "./output.ts";
import { aboutCredential, idOf } from "./select.ts";

const most = 1_000_000;

const columns: readonly Column<HealthReport>[] = [
  ["status", ({ status }) => status],
  ["health", ({ health }) => health],
  ["message", ({ health_message }) => health_message],
  ["validated", ({ last_validated_at }) => last_validated_at],
  ["next check", ({ next_check_at }) => next_check_at],
  ["expires", ({ expires_at }) => expires_at],
  ["venue's rule", ({ venue_rule }) => describeRule(venue_rule)],
  ["ends by it", ({ estimated_expires_at }) => estimated_expires_at],
  ["checks", ({ checks }) => checks.slice(0, 10).map(({ at, outcome }) => `${at} ${outcome}`)],
];

function describeRule(rule: HealthReport["venue_rule"]): string | null {
  if (rule === null) return null;
  const { days, counted_from, applies, source } = rule;
  const from = counted_from === "last_use" ? "the last use" : "creation";
  return `${days} days from ${from}${applies === "unknown" ? ", if it applies" : ""} (${source})`;
}

export function addHealthCommand(credential: Command, cli: Cli): void {
  credential
    .command("health")
    .description("show the health of a credential, and what the venue answered before")
    .argument("<credential>", aboutCredential)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "credential", name)];
      cli.output.one(await answerOf(api.GET("/api/v1/credentials/{id}/health", at(id))), columns);
    });
}

export function addHealthCommands(program: Command, cli: Cli): void {
  const health = program.command("health").description("the health of credentials");
  health
    .command("summary")
    .description("count your credentials by venue, status and health")
    .action(async () => summarise(cli, await answerOf((await cli.api()).GET("/api/v1/health"))));
  health
    .command("run")
    .description(
      "ask the venues now about every credential whose check is due, or about all; for the operator",
    )
    .option("--all", "whether due or not")
    .action((options: Readonly<{ all?: true }>) => run(cli, options.all === true));
}

function summarise({ output }: Cli, summary: HealthSummary): void {
  const { items, checks, oldest_due_at, expiring } = summary;
  output.list({ items, next_cursor: null, count: items.length }, [
    ["venue", ({ venue }) => venue],
    ["status", ({ status }) => status],
    ["health", ({ health }) => health],
    ["count", ({ count }) => count],
  ]);
  output.note(
    `last 24 hours: ${checks.count} checks, ${checks.refused} refused, ${checks.undecided} undecided`,
  );
  if (expiring > 0) output.note(`${expiring} end within 14 days`);
  if (oldest_due_at !== null) output.note(`a check has been due since ${oldest_due_at}`);
}

async function run(cli: Cli, all: boolean): Promise<void> {
  const outcomes = new Map<string, number>();
  const checked = await withCustody(cli, async ({ custody }) => {
    const { checkHealth, dueChecks, uncheckedSince } = await import("../credentials/check.ts");
    const started = new Date();
    return workThrough<Due>(cli, {
      label: "Asking venues",
      left: () => (all ? uncheckedSince(custody.db, started, most) : dueChecks(custody.db, most)),
      idOf: ({ id }) => id,
      async deal(due) {
        const { validation } = await checkHealth(custody, due);
        outcomes.set(validation.outcome, (outcomes.get(validation.outcome) ?? 0) + 1);
      },
    });
  });
  const items = [...outcomes].map(([outcome, count]) => ({ outcome, count }));
  cli.output.list({ items, next_cursor: null, count: items.length }, [
    ["outcome", ({ outcome }) => outcome],
    ["count", ({ count }) => count],
  ]);
  cli.output.note(`${checked} credentials checked`);
}
