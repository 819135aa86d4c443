import { answerOf, at, type ApiKey } from "@keyhold/client";
import type { Command } from "commander";
import { type Scope, scopes } from "../access/permissions.ts";
import { type Cli, showList } from "./cli.ts";
import {
  given,
  narrowingOf,
  narrowingOptions,
  type NarrowingOptions,
  type PageOptions,
  pageOptions,
  parseExpiry,
  severalOf,
  yesOption,
} from "./options.ts";
import type { Column } from "./output.ts";
import { idOf, idsOf } from "./select.ts";
import { confirmDestruction } from "./terminal.ts";

const columns: readonly Column<Omit<ApiKey, "member_subject"> & Partial<ApiKey>>[] = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["prefix", ({ prefix }) => prefix],
  ["agent", ({ agent }) => agent],
  [
    "expires",
    ({ expires_at, made_without_end }) => `${expires_at}${made_without_end ? " (made without an end)" : ""}`,
  ],
  ["revoked", ({ revoked_at }) => revoked_at],
  ["last used", ({ last_used_at }) => last_used_at],
  ["of", ({ member_subject }) => member_subject],
  ["scopes", ({ scopes }) => scopes],
  ["reaches", reachOf],
];

/** What it is narrowed to. */
function reachOf({
  credentials,
  accounts,
  networks,
}: Pick<ApiKey, "credentials" | "accounts" | "networks">): readonly string[] {
  return [
    ...(credentials ?? []).map((id) => `credential ${id}`),
    ...(accounts ?? []).map((id) => `account ${id}`),
    ...(networks ?? []).map((network) => `from ${network}`),
  ];
}

export function addApiKeyCommands(program: Command, cli: Cli): void {
  const apiKey = program.command("api-key").description("keys for programs that call Keyhold in your name");
  narrowingOptions(
    apiKey
      .command("create")
      .description("make a key; it is shown this once")
      .argument("<name>", "what it is for")
      .requiredOption("--scope <scopes>", "what it may be used for", severalOf(scopes))
      .option("--agent", "for an agent, which reads and places orders, and nothing else")
      .option(
        "--expires <time>",
        "when it ends, such as 30d: at most 366 days from now, 90 when left out",
        parseExpiry,
      ),
  ).action(async (name: string, options: Parameters<typeof bodyOf>[2]) => {
    const api = await cli.api();
    const body = await bodyOf(cli, name, options);
    const created = await answerOf(api.POST("/api/v1/api-keys", { body }));
    cli.output.one(created, [["key", ({ key }) => key], ...columns]);
    cli.output.note("Keep the key now: it is not shown again.");
  });
  pageOptions(apiKey.command("list"))
    .description("show the keys that you may see, revoked ones too")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      const read = (query: object) => answerOf(api.GET("/api/v1/api-keys", { params: { query } }));
      await showList(cli, options, read, columns);
    });
  yesOption(apiKey.command("revoke"))
    .description("end a key for good")
    .argument("<api-key>", "its id, name or prefix")
    .action(async (name: string, { yes }: Readonly<{ yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "API key", name)];
      await confirmDestruction(cli.terminal, yes, async () => `End the API key ${id} for good?`);
      await api.DELETE("/api/v1/api-keys/{id}", at(id));
      cli.output.text(`${id} is revoked`, { id, revoked: true });
    });
}

async function bodyOf(
  cli: Cli,
  name: string,
  options: NarrowingOptions & Readonly<{ scope: Scope[]; agent?: true; expires?: string }>,
) {
  const { scope, agent, expires } = options;
  const credential = await idsOf(cli, "credential", options.credential);
  const account = await idsOf(cli, "account", options.account);
  return {
    name,
    scopes: scope,
    ...given({ agent, expires_at: expires }),
    ...narrowingOf({ ...options, ...given({ credential, account }) }),
  };
}
