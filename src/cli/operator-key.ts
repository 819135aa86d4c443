import { hostname, userInfo } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import type { OperatorKey } from "../access/api-keys.ts";
import type { Cli } from "./cli.ts";
import { withCustody } from "./operate.ts";
import { yesOption } from "./options.ts";
import type { Column } from "./output.ts";
import { isId } from "./select.ts";
import { confirmDestruction } from "./terminal.ts";

const columns: readonly Column<OperatorKey>[] = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["prefix", ({ prefix }) => prefix],
  ["made by", ({ made_by }) => made_by],
  ["expires", ({ expires_at }) => expires_at.toISOString()],
  ["revoked", ({ revoked_at }) => revoked_at?.toISOString() ?? null],
];

/**
 * They run where the database and the keys are, with the service's own settings: only the operator of the
 * installation can do that.
 */
export function addOperatorKeyCommands(program: Command, cli: Cli): void {
  const operatorKey = program
    .command("operator-key")
    .description("keys for the operator of an installation with issuers of its own");
  operatorKey
    .command("create")
    .description("make a key that opens and suspends tenants for 24 hours; it is shown this once")
    .argument("[name]", "what it is for", "first")
    .action((name: string) => create(cli, name));
  operatorKey
    .command("list")
    .description("show all keys that were ever made")
    .action(() =>
      withCustody(cli, async ({ custody: { db } }) => {
        const { listOperatorKeys } = await import("../access/api-keys.ts");
        const items = await listOperatorKeys(db);
        cli.output.list({ items, next_cursor: null, count: items.length }, columns);
      }),
    );
  yesOption(operatorKey.command("revoke"))
    .description("end a key within two seconds")
    .argument("<operator-key>", "its id", parseId)
    .action(async (id: string, { yes }: Readonly<{ yes?: true }>) => {
      await confirmDestruction(cli.terminal, yes, async () => `End the operator key ${id} for good?`);
      await withCustody(cli, async ({ custody: { db } }) => {
        const { revokeOperatorKey } = await import("../access/api-keys.ts");
        cli.output.one(await revokeOperatorKey(db, id), columns);
      });
    });
}

function parseId(text: string): string {
  if (isId(text)) return text;
  throw new InvalidArgumentError("Give the id that `keyhold operator-key list` shows.");
}

function create(cli: Cli, name: string): Promise<void> {
  return withCustody(cli, async ({ custody: { db } }) => {
    const { createOperatorKey } = await import("../access/api-keys.ts");
    const madeBy = `${userInfo().username}@${hostname()}`;
    const { operatorKey, key } = await createOperatorKey(db, { name, madeBy });
    cli.output.one({ ...operatorKey, key }, [["key", (made) => made.key], ...columns]);
    cli.output.note(
      "Keep the key now: it is not shown again. `keyhold operator-key list` shows that it was made.",
    );
  });
}
