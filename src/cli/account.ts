import type { Command } from "commander";
import { type Cli, type PageOptions, pageOptions } from "./cli.ts";
import { frozenOf, noteWhatIsLeft } from "./freezes.ts";
import type { Column } from "./output.ts";
import type { Account } from "./shapes.ts";

const columns: readonly Column<Account>[] = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["active", ({ active }) => active],
  ["frozen", frozenOf],
  ["owner", ({ owner_subject, owner_id }) => owner_subject ?? owner_id],
];

export function addAccountCommands(program: Command, cli: Cli): void {
  const account = program
    .command("account")
    .description("what a member trades with; credentials belong to one");
  account
    .command("create")
    .description("open an account")
    .argument("<name>", "what it is called")
    .option("--owner <member>", "the id of the member who owns it; yourself when left out")
    .action(async (name: string, { owner }: Readonly<{ owner?: string }>) => {
      const api = await cli.api();
      const body = { name, ...(owner === undefined ? {} : { owner_id: owner }) };
      cli.output.one(await api.accounts.create(body), columns);
    });
  pageOptions(account.command("list"))
    .description("show the accounts that you may see")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      cli.output.list(await api.accounts.list({ ...options }), columns);
    });
  addOne(account, cli);
}

function addOne(account: Command, cli: Cli): void {
  account
    .command("show")
    .description("show one account")
    .argument("<account>", "its id")
    .action(async (id: string) => cli.output.one(await (await cli.api()).accounts.show(id), columns));
  account
    .command("freeze")
    .description("stop every use of its credentials at once")
    .argument("<account>", "its id")
    .option("--reason <text>", "for the record")
    .action(async (id: string, { reason }: Readonly<{ reason?: string }>) => {
      const api = await cli.api();
      cli.output.one(await api.accounts.freeze(id, { reason }), columns);
    });
  account
    .command("unfreeze")
    .description("allow the use of its credentials again")
    .argument("<account>", "its id")
    .action(async (id: string) => {
      const unfrozen = await (await cli.api()).accounts.unfreeze(id);
      cli.output.one(unfrozen, columns);
      noteWhatIsLeft(cli, unfrozen);
    });
}
