import { type Account, answerOf, at, type ListedAccount } from "@keyhold/client";
import type { Command } from "commander";
import { type Cli, showList } from "./cli.ts";
import { addFreezeCommands, frozenOf } from "./freezes.ts";
import { given, type PageOptions, pageOptions, yesOption } from "./options.ts";
import type { Column } from "./output.ts";
import { idOf, idOfGiven } from "./select.ts";
import { confirmDestruction } from "./terminal.ts";

const columns: readonly Column<Account & Partial<ListedAccount>>[] = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["active", ({ active }) => active],
  ["frozen", frozenOf],
  ["owner", ({ owner_subject, owner_id }) => owner_subject ?? owner_id],
];
const about = "its id or name";

export function addAccountCommands(program: Command, cli: Cli): void {
  const account = program
    .command("account")
    .description("what a member trades with; each credential belongs to one");
  account
    .command("create")
    .description("open an account")
    .argument("<name>", "what it is called")
    .option("--owner <member>", "the member who owns it, by id or subject; yourself when left out")
    .action(async (name: string, { owner }: Readonly<{ owner?: string }>) => {
      const api = await cli.api();
      const body = { name, ...given({ owner_id: await idOfGiven(cli, "member", owner) }) };
      cli.output.one(await answerOf(api.POST("/api/v1/accounts", { body })), columns);
    });
  pageOptions(account.command("list"))
    .description("show the accounts that you may see")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      const read = (query: object) => answerOf(api.GET("/api/v1/accounts", { params: { query } }));
      await showList(cli, options, read, columns);
    });
  account
    .command("show")
    .description("show one account")
    .argument("<account>", about)
    .action(async (name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "account", name)];
      cli.output.one(await answerOf(api.GET("/api/v1/accounts/{id}", at(id))), columns);
    });
  addChanges(account, cli);
  addFreezeCommands(account, cli, {
    argument: "<account>",
    about,
    uses: "every use of its credentials",
    columns,
    async freeze(name: string, body) {
      const [api, id] = [await cli.api(), await idOf(cli, "account", name)];
      return answerOf(api.POST("/api/v1/accounts/{id}/freeze", { ...at(id), body }));
    },
    async unfreeze(name: string) {
      const [api, id] = [await cli.api(), await idOf(cli, "account", name)];
      return answerOf(api.POST("/api/v1/accounts/{id}/unfreeze", at(id)));
    },
  });
}

function addChanges(account: Command, cli: Cli): void {
  account
    .command("rename")
    .description("give it another name")
    .argument("<account>", about)
    .argument("<name>", "what it is called from now on")
    .action(async (old: string, name: string) => {
      const [api, id] = [await cli.api(), await idOf(cli, "account", old)];
      const { revision } = await answerOf(api.GET("/api/v1/accounts/{id}", at(id)));
      const change = { ...at(id, revision), body: { name } };
      cli.output.one(await answerOf(api.PATCH("/api/v1/accounts/{id}", change)), columns);
    });
  yesOption(account.command("delete"))
    .description("destroy the secrets of its credentials, and remove it and them")
    .argument("<account>", about)
    .action(async (name: string, { yes }: Readonly<{ yes?: true }>) => {
      const [api, id] = [await cli.api(), await idOf(cli, "account", name)];
      await confirmDestruction(cli.terminal, yes, async () => {
        const { name: known } = await answerOf(api.GET("/api/v1/accounts/{id}", at(id)));
        return `Destroy the secrets of all credentials of the account "${known}", and remove it?`;
      });
      await api.DELETE("/api/v1/accounts/{id}", at(id));
      cli.output.text(`${id} is deleted`, { id, deleted: true });
    });
}
