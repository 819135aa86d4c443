import {
  answerOf,
  at,
  type Webhook,
  type WebhookDelivery,
  type WebhookDeliveryWithLog,
  type WebhookUpdate,
} from "@keyhold/client";
import type { Command } from "commander";
import { type TellableEvent, tellableEvents } from "../webhooks/events.ts";
import { type Cli, showList } from "./cli.ts";
import { CliError } from "./errors.ts";
import {
  assertChange,
  contradicting,
  given,
  oneOf,
  type PageOptions,
  pageOptions,
  severalOf,
  yesOption,
} from "./options.ts";
import type { Column } from "./output.ts";
import { idOf, idOfGiven } from "./select.ts";
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
const logColumns: readonly Column<WebhookDeliveryWithLog>[] = [
  [
    "log",
    ({ log }) =>
      log.map(({ at, outcome, status }) => `${at} ${outcome}${status === null ? "" : ` ${status}`}`),
  ],
  ["payload", ({ payload }) => payload],
];

const about = "its id, URL or description";
const aboutDelivery = "its id, or the id of its message";

export function addWebhookCommands(program: Command, cli: Cli): void {
  const webhook = program.command("webhook").description("URLs that get the events of the tenant");
  for (const add of [addCreate, addReaders, addUpdate, addRotate, addEnd, addDeliveries]) add(webhook, cli);
}

type Named = TellableEvent | "all";
const parseEvents = severalOf<Named>([...tellableEvents, "all"]);

function addCreate(webhook: Command, cli: Cli): void {
  webhook
    .command("create")
    .description("send events to a URL; the secret that signs them is shown this once")
    .argument("<url>", "https, at a public address")
    .option("--event <events>", "which events; every event when left out", parseEvents)
    .option("--description <text>", "what it is for")
    .action(async (url: string, { event, description }: Pick<UpdateOptions, "event" | "description">) => {
      const api = await cli.api();
      const body = { url, ...given({ events: eventsOf(event), description }) };
      const created = await answerOf(api.POST("/api/v1/webhooks", { body }));
      cli.output.one(created, [["secret", ({ secret }) => secret], ...columns]);
      cli.output.note("Keep the secret now: it is not shown again.");
    });
}

function addReaders(webhook: Command, cli: Cli): void {
  pageOptions(webhook.command("list"))
    .description("show the tenant's webhooks")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      const read = (query: object) => answerOf(api.GET("/api/v1/webhooks", { params: { query } }));
      await showList(cli, options, read, listColumns);
    });
  webhook
    .command("show")
    .description("show one webhook; never its secret")
    .argument("<webhook>", about)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "webhook", name)];
      cli.output.one(await answerOf(api.GET("/api/v1/webhooks/{id}", at(id))), columns);
    });
  webhook
    .command("test")
    .description("send a test message; `deliveries` shows whether it arrived")
    .argument("<webhook>", about)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "webhook", name)];
      cli.output.one(await answerOf(api.POST("/api/v1/webhooks/{id}/test", at(id))), deliveryColumns);
    });
}

type UpdateOptions = Readonly<{ url?: string; event?: Named[]; description?: string }> &
  Readonly<{ enable?: true; disable?: true }>;

function addUpdate(webhook: Command, cli: Cli): void {
  contradicting(webhook.command("update"), "enable", "disable")
    .description("change a webhook, or switch it on or off")
    .argument("<webhook>", about)
    .option("--url <url>", "where to send from now on")
    .option("--event <events>", "which events from now on; `all` for every event", parseEvents)
    .option("--description <text>", "what it is for")
    .option("--enable", "switch on, and send what has been waiting")
    .option("--disable", "switch off")
    .action(async (name: string, options: UpdateOptions) => {
      const body = updateOf(options);
      assertChange(body);
      const [api, id] = [await cli.api(), await idOf(cli, "webhook", name)];
      const { revision } = await answerOf(api.GET("/api/v1/webhooks/{id}", at(id)));
      const change = { ...at(id, revision), body };
      cli.output.one(await answerOf(api.PATCH("/api/v1/webhooks/{id}", change)), columns);
    });
}

function updateOf({ url, event, description, enable, disable }: UpdateOptions): WebhookUpdate {
  return {
    ...given({ url, events: eventsOf(event), description }),
    ...(enable === undefined ? {} : { status: "active" }),
    ...(disable === undefined ? {} : { status: "disabled" }),
  };
}

/** The API has an empty list for every event. */
function eventsOf(named: readonly Named[] | undefined): TellableEvent[] | undefined {
  if (named === undefined) return undefined;
  const events = named.filter((name) => name !== "all");
  const isAll = named.length === 1 && events.length === 0;
  if (isAll || (named.length > 0 && events.length === named.length)) return events;
  throw new CliError("usage", "--event takes names of events, or `all` alone");
}

function addRotate(webhook: Command, cli: Cli): void {
  webhook
    .command("rotate-secret")
    .description("give it its next secret, shown this once; the old one signs as well for a day")
    .argument("<webhook>", about)
    .option("--at-once", "end the old secret now, because it has leaked")
    .action(async (name: string, { atOnce }: Readonly<{ atOnce?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "webhook", name)];
      const { revision } = await answerOf(api.GET("/api/v1/webhooks/{id}", at(id)));
      const change = { ...at(id, revision), body: atOnce === true ? { overlap_seconds: 0 } : {} };
      const rotated = await answerOf(api.POST("/api/v1/webhooks/{id}/rotate-secret", change));
      cli.output.one(rotated, [["secret", ({ secret }) => secret], ...columns]);
      cli.output.note("Keep the secret now: it is not shown again.");
    });
}

function addEnd(webhook: Command, cli: Cli): void {
  yesOption(webhook.command("delete"))
    .description("remove a webhook, and what is waiting for it")
    .argument("<webhook>", about)
    .action(async (name: string, { yes }: Readonly<{ yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "webhook", name)];
      await confirmDestruction(cli.terminal, yes, async () => {
        const { url } = await answerOf(api.GET("/api/v1/webhooks/{id}", at(id)));
        return `Remove the webhook to ${url}, and what is waiting for it?`;
      });
      await api.DELETE("/api/v1/webhooks/{id}", at(id));
      cli.output.text(`${id} is deleted`, { id, deleted: true });
    });
}

function addDeliveries(webhook: Command, cli: Cli): void {
  pageOptions(webhook.command("deliveries"))
    .description("show what was sent, waits to be sent or was given up, newest first")
    .option("--webhook <webhook>", "to this webhook, by id, URL or description")
    .option("--state <state>", "pending, delivered or dead", oneOf(["pending", "delivered", "dead"]))
    .action(
      async (
        options: PageOptions & Partial<Pick<WebhookDelivery, "state">> & Readonly<{ webhook?: string }>,
      ) => {
        const endpoint_id = await idOfGiven(cli, "webhook", options.webhook);
        const filter = given({ endpoint_id, state: options.state });
        const api = await cli.api();
        const read = (page: object) =>
          answerOf(api.GET("/api/v1/webhooks/deliveries", { params: { query: { ...filter, ...page } } }));
        await showList(cli, options, read, deliveryColumns);
      },
    );
  webhook
    .command("delivery")
    .description("show one delivery and every attempt at it")
    .argument("<delivery>", aboutDelivery)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "delivery", name)];
      const delivery = await answerOf(api.GET("/api/v1/webhooks/deliveries/{id}", at(id)));
      cli.output.one(delivery, [...deliveryColumns, ...logColumns]);
    });
  webhook
    .command("replay")
    .description("send a message again under its old id")
    .argument("<delivery>", aboutDelivery)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "delivery", name)];
      const replayed = api.POST("/api/v1/webhooks/deliveries/{id}/replay", at(id));
      cli.output.one(await answerOf(replayed), deliveryColumns);
    });
}
