import type { Command } from "commander";
import type { WebhookUpdate } from "./api.ts";
import { assertChange, type Cli, collect, contradicting, type PageOptions, pageOptions } from "./cli.ts";
import type { Column } from "./output.ts";
import type { Webhook, WebhookDelivery, WebhookDeliveryLog } from "./shapes.ts";
import { CliError } from "./errors.ts";
import { confirmDestruction } from "./terminal.ts";

const columns: readonly Column<Webhook>[] = [
  ["id", ({ id }) => id],
  ["url", ({ url }) => url],
  ["description", ({ description }) => description],
  [
    "status",
    ({ status, disabled_reason }) => (disabled_reason === null ? status : `${status} (${disabled_reason})`),
  ],
  ["events", ({ events }) => (events.length === 0 ? "all" : events)],
  ["failing since", ({ failing_since }) => failing_since],
  ["old secret until", ({ previous_secret_until }) => previous_secret_until],
  ["revision", ({ revision }) => revision],
];
const listed = new Set(["id", "url", "status", "events"]);
const listColumns = columns.filter(([heading]) => listed.has(heading));

const deliveryColumns: readonly Column<WebhookDelivery>[] = [
  ["id", ({ id }) => id],
  ["event", ({ event }) => event],
  ["state", ({ state }) => state],
  ["attempts", ({ attempts }) => attempts],
  ["outcome", ({ outcome }) => outcome],
  ["due", ({ due_at }) => due_at],
  ["message", ({ message_id }) => message_id],
];

export function addWebhookCommands(program: Command, cli: Cli): void {
  const webhook = program.command("webhook").description("where events of the tenant are told");
  addCreate(webhook, cli);
  addReaders(webhook, cli);
  addUpdate(webhook, cli);
  addRotate(webhook, cli);
  addEnd(webhook, cli);
  addDeliveries(webhook, cli);
}

type Input = Readonly<{ event?: readonly string[]; description?: string }>;

function addCreate(webhook: Command, cli: Cli): void {
  webhook
    .command("create")
    .description("have events told to a URL; its secret is shown this once")
    .argument("<url>", "https, at a public address")
    .option("--event <events>", "what to tell; everything when left out", collect)
    .option("--description <text>", "what it is for")
    .action(async (url: string, { event, description }: Input) => {
      const created = await (
        await cli.api()
      ).webhooks.create({
        url,
        ...(event === undefined ? {} : { events: eventsOf(event) }),
        ...(description === undefined ? {} : { description }),
      });
      cli.output.one(created, [["secret", ({ secret }) => secret], ...columns]);
      cli.output.note("Keep the secret now: it is not shown again.");
    });
}

function addReaders(webhook: Command, cli: Cli): void {
  pageOptions(webhook.command("list"))
    .description("show the tenant's webhooks")
    .action(async (options: PageOptions) => {
      cli.output.list(await (await cli.api()).webhooks.list({ ...options }), listColumns);
    });
  webhook
    .command("show")
    .description("show one webhook; never its secret")
    .argument("<webhook>", "its id")
    .action(async (id: string) => cli.output.one(await (await cli.api()).webhooks.show(id), columns));
  webhook
    .command("test")
    .description("send a message that tells nothing; `deliveries` tells what came of it")
    .argument("<webhook>", "its id")
    .action(async (id: string) => cli.output.one(await (await cli.api()).webhooks.test(id), deliveryColumns));
}

type UpdateOptions = Input & Readonly<{ url?: string; enable?: true; disable?: true }>;

function addUpdate(webhook: Command, cli: Cli): void {
  contradicting(webhook.command("update"), "enable", "disable")
    .description("change a webhook, or switch it on or off")
    .argument("<webhook>", "its id")
    .option("--url <url>", "where to send from now on")
    .option("--event <events>", "what to tell from now on; `all` for everything", collect)
    .option("--description <text>", "what it is for")
    .option("--enable", "switch on, and send what has been waiting")
    .option("--disable", "switch off")
    .action(async (id: string, options: UpdateOptions) => {
      const update = updateOf(options);
      assertChange(update);
      const { webhooks } = await cli.api();
      const { revision } = await webhooks.show(id);
      cli.output.one(await webhooks.update(id, revision, update), columns);
    });
}

function updateOf({ url, event, description, enable, disable }: UpdateOptions): WebhookUpdate {
  return {
    ...(url === undefined ? {} : { url }),
    ...(event === undefined ? {} : { events: eventsOf(event) }),
    ...(description === undefined ? {} : { description }),
    ...(enable === undefined ? {} : { status: "active" }),
    ...(disable === undefined ? {} : { status: "disabled" }),
  };
}

/** The API has an empty list for everything. */
function eventsOf(named: readonly string[]): readonly string[] {
  if (named.length === 1 && named[0] === "all") return [];
  if (named.length > 0 && !named.includes("all")) return named;
  throw new CliError("usage", "--event takes names of events, or `all` alone");
}

function addRotate(webhook: Command, cli: Cli): void {
  webhook
    .command("rotate-secret")
    .description("give it its next secret, shown this once; the old one signs as well for a day")
    .argument("<webhook>", "its id")
    .option("--at-once", "end the old secret now, because somebody has learned it")
    .action(async (id: string, { atOnce }: Readonly<{ atOnce?: true }>) => {
      const { webhooks } = await cli.api();
      const { revision } = await webhooks.show(id);
      const rotated = await webhooks.rotateSecret(
        id,
        revision,
        atOnce === true ? { overlap_seconds: 0 } : {},
      );
      cli.output.one(rotated, [["secret", ({ secret }) => secret], ...columns]);
      cli.output.note("Keep the secret now: it is not shown again.");
    });
}

function addEnd(webhook: Command, cli: Cli): void {
  webhook
    .command("delete")
    .description("remove a webhook, and what is waiting for it")
    .argument("<webhook>", "its id")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes }: Readonly<{ yes?: true }>) => {
      const { webhooks } = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => {
        return `Remove the webhook to ${(await webhooks.show(id)).url}, and what is waiting for it?`;
      });
      await webhooks.delete(id);
      cli.output.text(`${id} is deleted`, { id, deleted: true });
    });
}

type DeliveryOptions = PageOptions & Readonly<{ webhook?: string; state?: string }>;

function addDeliveries(webhook: Command, cli: Cli): void {
  pageOptions(webhook.command("deliveries"))
    .description("show what was sent, waits to be sent or was given up, newest first")
    .option("--webhook <id>", "to this webhook")
    .option("--state <state>", "pending, delivered or dead")
    .action(async ({ webhook: endpoint_id, ...rest }: DeliveryOptions) => {
      const { webhooks } = await cli.api();
      cli.output.list(await webhooks.deliveries({ endpoint_id, ...rest }), deliveryColumns);
    });
  webhook
    .command("delivery")
    .description("show one delivery and every attempt at it")
    .argument("<delivery>", "its id")
    .action(async (id: string) =>
      cli.output.one(await (await cli.api()).webhooks.delivery(id), [...deliveryColumns, ...logColumns]),
    );
  webhook
    .command("replay")
    .description("send a message again under its old id")
    .argument("<delivery>", "its id")
    .action(async (id: string) =>
      cli.output.one(await (await cli.api()).webhooks.replay(id), deliveryColumns),
    );
}

const logColumns: readonly Column<WebhookDeliveryLog>[] = [
  [
    "log",
    ({ log }) =>
      log.map(({ at, outcome, status }) => `${at} ${outcome}${status === null ? "" : ` ${status}`}`),
  ],
  ["payload", ({ payload }) => payload],
];
