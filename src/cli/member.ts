import type { Command } from "commander";
import { type Cli, type PageOptions, pageOptions } from "./cli.ts";
import type { Column } from "./output.ts";
import type { Member } from "./shapes.ts";

const columns: readonly Column<Member>[] = [
  ["id", ({ id }) => id],
  ["subject", ({ subject }) => subject],
  ["role", ({ role }) => role],
  ["status", ({ status }) => status],
  ["issuer", ({ issuer }) => issuer],
];

export function addMemberCommands(program: Command, cli: Cli): void {
  const member = program.command("member").description("who belongs to your tenant, and as what");
  member
    .command("add")
    .description("let a subject of an issuer in")
    .argument("<subject>", "the subject of its tokens")
    .requiredOption("--role <role>", "owner, admin, trader, viewer or auditor")
    .option("--issuer <issuer>", "who signs its tokens; this service itself when left out")
    .action(async (subject: string, { role, issuer }: Readonly<{ role: string; issuer?: string }>) => {
      const { localIssuerName } = await import("../access/local-issuer.ts");
      const api = await cli.api();
      cli.output.one(await api.members.add({ issuer: issuer ?? localIssuerName, subject, role }), columns);
    });
  pageOptions(member.command("list"))
    .description("show the members that you may see")
    .action(async (options: PageOptions) => {
      const api = await cli.api();
      cli.output.list(await api.members.list({ ...options }), columns);
    });
}
