import type { Command } from "commander";
import type { Cli } from "./cli.ts";

export function addMeCommand(program: Command, cli: Cli): void {
  program
    .command("me")
    .description("show who your token speaks for, and what it may do")
    .action(async () => {
      const me = await (await cli.api()).me();
      cli.output.one(me, [
        ["kind", ({ kind, agent }) => (agent ? `${kind}, through an agent` : kind)],
        ["tenant", ({ tenant_id }) => tenant_id],
        ["member", ({ member_id }) => member_id],
        ["role", ({ role }) => role],
        ["scopes", ({ scopes }) => scopes],
      ]);
    });
}
