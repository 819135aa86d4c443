import type { Command } from "commander";
import { type Cli, collect, type PageOptions, pageOptions } from "./cli.ts";
import type { Column } from "./output.ts";
import type { ApiKey } from "./shapes.ts";

const columns: readonly Column<ApiKey>[] = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["prefix", ({ prefix }) => prefix],
  ["agent", ({ agent }) => agent],
  ["expires", ({ expires_at }) => expires_at],
  ["revoked", ({ revoked_at }) => revoked_at],
  ["scopes", ({ scopes }) => scopes],
];

type CreateOptions = Readonly<{ scope: readonly string[]; agent?: true; expires?: string }>;

export function addApiKeyCommands(program: Command, cli: Cli): void {
  const apiKey = program.command("api-key").description("keys for programs that call Keyhold in your name");
  apiKey
    .command("create")
    .description("make a key; it is shown this once")
    .argument("<name>", "what it is for")
    .requiredOption("--scope <scopes>", "what it may be used for", collect)
    .option("--agent", "for an agent, which never reveals a secret nor widens its rights")
    .option("--expires <time>", "when it ends, RFC 3339")
    .action(async (name: string, { scope, agent, expires }: CreateOptions) => {
      const api = await cli.api();
      const created = await api.apiKeys.create({
        name,
        scopes: scope,
        ...(agent === undefined ? {} : { agent }),
        ...(expires === undefined ? {} : { expires_at: expires }),
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
    .action(async (id: string) => {
      const api = await cli.api();
      await api.apiKeys.revoke(id);
      cli.output.text(`${id} is revoked`, { id, revoked: true });
    });
}
