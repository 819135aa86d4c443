import type { Command } from "commander";
import {
  type Cli,
  collect,
  narrowingOf,
  type NarrowingOptions,
  type PageOptions,
  pageOptions,
} from "./cli.ts";
import type { Column } from "./output.ts";
import type { ApiKey } from "./shapes.ts";
import { confirmDestruction } from "./terminal.ts";

const columns: readonly Column<ApiKey>[] = [
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
function reachOf({ credentials, accounts, networks }: ApiKey): readonly string[] {
  return [
    ...(credentials ?? []).map((id) => `credential ${id}`),
    ...(accounts ?? []).map((id) => `account ${id}`),
    ...(networks ?? []).map((network) => `from ${network}`),
  ];
}

type CreateOptions = Readonly<{ scope: readonly string[]; agent?: true; expires?: string }> &
  NarrowingOptions;

export function addApiKeyCommands(program: Command, cli: Cli): void {
  const apiKey = program.command("api-key").description("keys for programs that call Keyhold in your name");
  apiKey
    .command("create")
    .description("make a key; it is shown this once")
    .argument("<name>", "what it is for")
    .requiredOption("--scope <scopes>", "what it may be used for", collect)
    .option("--agent", "for an agent, which reads and places orders, and nothing else")
    .option("--expires <time>", "when it ends, RFC 3339: at most 366 days from now, 90 when left out")
    .option(
      "--credential <credentials>",
      "it reaches these, and those of --account, and nothing else",
      collect,
    )
    .option("--account <accounts>", "it reaches the credentials of these accounts", collect)
    .option("--network <networks>", "from where it may be used, such as 10.20.0.0/16", collect)
    .action(async (name: string, options: CreateOptions) => {
      const { scope, agent, expires } = options;
      const api = await cli.api();
      const created = await api.apiKeys.create({
        name,
        scopes: scope,
        ...(agent === undefined ? {} : { agent }),
        ...(expires === undefined ? {} : { expires_at: expires }),
        ...narrowingOf(options),
      });
      cli.output.one(created, [["key", ({ key }) => key], ...columns]);
      cli.output.note("Keep the key now: it is not shown again.");
    });
  pageOptions(apiKey.command("list"))
    .description("show the keys that you may see, revoked ones too")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      cli.output.list(await api.apiKeys.list({ ...options }), columns);
    });
  apiKey
    .command("revoke")
    .description("end a key")
    .argument("<api-key>", "its id")
    .option("--yes", "do not ask; needed where there is no terminal")
    .action(async (id: string, { yes }: Readonly<{ yes?: true }>) => {
      const api = await cli.api();
      await confirmDestruction(cli.terminal, yes, async () => `End the API key ${id} for good?`);
      await api.apiKeys.revoke(id);
      cli.output.text(`${id} is revoked`, { id, revoked: true });
    });
}
